package pytest_sluice;

import com.facebook.drift.server.DriftServer;
import com.facebook.presto.server.PrestoServer;
import com.google.inject.Binder;
import com.google.inject.Module;
import io.netty.bootstrap.AbstractBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import java.lang.reflect.Field;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.Collections;
import javax.inject.Inject;

/**
 * Presto, with its Thrift server too on the address that the property sluice.bind names.
 *
 * The Thrift server binds a port of every interface, and of the settings (thrift.server.*) none is
 * an address. Guice hands the server over before anything starts; from then on its bootstrap makes
 * channels that bind the address.
 */
public class OwnAddressPresto extends PrestoServer implements Module {
    public static void main(String[] arguments) {
        new OwnAddressPresto().run();
    }

    protected Iterable getAdditionalModules() {
        return Collections.singleton(this);
    }

    public void configure(Binder binder) {
        binder.requestInjection(this);
    }

    @Inject
    public void bind(DriftServer server) throws Exception {
        Object transport = server.getServerTransport();
        Object bootstrap = field(transport.getClass(), "bootstrap").get(transport);
        field(AbstractBootstrap.class, "channelFactory").set(bootstrap, new OwnAddressChannels());
    }

    private static Field field(Class owner, String name) throws Exception {
        Field field = owner.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }

    private static class OwnAddressChannels implements ChannelFactory {
        public Channel newChannel() {
            return new OwnAddressChannel();
        }
    }

    private static class OwnAddressChannel extends NioServerSocketChannel {
        protected void doBind(SocketAddress wanted) throws Exception {
            int port = ((InetSocketAddress) wanted).getPort();
            super.doBind(new InetSocketAddress(System.getProperty("sluice.bind"), port));
        }
    }
}
