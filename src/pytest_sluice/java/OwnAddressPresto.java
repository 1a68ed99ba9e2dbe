package pytest_sluice;

import com.facebook.drift.server.DriftServer;
import com.facebook.presto.server.PrestoServer;
import com.google.inject.Binder;
import com.google.inject.Module;
import com.google.inject.TypeLiteral;
import com.google.inject.matcher.Matchers;
import com.google.inject.spi.InjectionListener;
import com.google.inject.spi.TypeEncounter;
import com.google.inject.spi.TypeListener;
import io.netty.bootstrap.AbstractBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import java.lang.reflect.Field;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.Collections;

/**
 * Presto, with its Thrift server too on the address that the property sluice.bind names.
 *
 * The Thrift server binds a port of every interface, and of its settings (thrift.server.*) none is
 * an address. Guice tells of the server when it is made, which is before it starts; from then on
 * its bootstrap makes channels that bind the address.
 */
public class OwnAddressPresto extends PrestoServer
        implements Module, TypeListener, InjectionListener {
    public static void main(String[] arguments) {
        new OwnAddressPresto().run();
    }

    protected Iterable getAdditionalModules() {
        return Collections.singleton(this);
    }

    public void configure(Binder binder) {
        TypeListener listener = this;
        binder.bindListener(Matchers.only(TypeLiteral.get(DriftServer.class)), listener);
    }

    public void hear(TypeLiteral type, TypeEncounter encounter) {
        InjectionListener listener = this;
        encounter.register(listener);
    }

    public void afterInjection(Object made) {
        try {
            Object transport = ((DriftServer) made).getServerTransport();
            Object bootstrap = field(transport.getClass(), "bootstrap").get(transport);
            field(AbstractBootstrap.class, "channelFactory").set(bootstrap, new Channels());
        } catch (Exception error) {
            throw new IllegalStateException("Presto's Thrift server cannot be bound", error);
        }
    }

    private static Field field(Class owner, String name) throws Exception {
        Field field = owner.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }

    private static class Channels implements ChannelFactory {
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
