package org.apache.hadoop.hive.common.auth;

import java.net.InetSocketAddress;
import org.apache.hadoop.hive.metastore.HiveMetaStore;
import org.apache.thrift.transport.TServerSocket;
import org.apache.thrift.transport.TTransportException;

/**
 * The Hive metastore on the address that the property sluice.bind names.
 *
 * HiveMetaStore asks the class of this name for its server socket, gives it no host, and has no
 * setting for one. So this class stands before Hive's own on the class path. It is the main class
 * as well: Hive's own has no main, so that without this one nothing starts, instead of a server on
 * every interface. What else Hive's own has, only TLS and Hive's clients need.
 */
public class HiveAuthUtils {
    public static void main(String[] arguments) throws Throwable {
        HiveMetaStore.main(arguments);
    }

    public static TServerSocket getServerSocket(String host, int port) throws TTransportException {
        return new TServerSocket(new InetSocketAddress(System.getProperty("sluice.bind"), port));
    }
}
