package weir;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** Stands between a client and a server, hands on every byte, and breaks a connection when it is told to. */
final class CuttingProxy implements Closeable {

    private static final int BUFFER_BYTES = 64 << 10;

    private final URI server;
    private final ServerSocket listener;
    private final AtomicReference<Cut> ordered = new AtomicReference<>();
    private final AtomicInteger cuts = new AtomicInteger();

    /** Not a record: each is an order of its own. */
    private static final class Cut {
        private final long afterBytes;

        private Cut(long afterBytes) {
            this.afterBytes = afterBytes;
        }
    }

    CuttingProxy(URI server) throws IOException {
        this.server = server;
        this.listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        start("accept", this::accept);
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + listener.getLocalPort());
    }

    /** Breaks the first connection over which the client sends more than so many bytes from now on, amid them. */
    void cutOnceAfter(long bytes) {
        ordered.set(new Cut(bytes));
    }

    int cuts() {
        return cuts.get();
    }

    @Override
    public void close() throws IOException {
        listener.close();
    }

    private void accept() throws IOException {
        while (!listener.isClosed()) {
            Socket client = listener.accept();
            Socket target = new Socket(server.getHost(), server.getPort());
            client.setTcpNoDelay(true);
            target.setTcpNoDelay(true);
            start("there", () -> pump(client, target, true));
            start("back", () -> pump(target, client, false));
        }
    }

    private void pump(Socket from, Socket to, boolean mayCut) throws IOException {
        try (from; to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            byte[] buffer = new byte[BUFFER_BYTES];
            Cut cut = null;
            long sinceOrder = 0;
            for (int length = in.read(buffer); length >= 0; length = in.read(buffer)) {
                if (cut != ordered.get()) {
                    cut = ordered.get();
                    sinceOrder = 0;
                }
                sinceOrder += length;
                boolean isDue = mayCut && cut != null && sinceOrder > cut.afterBytes;
                if (isDue && ordered.compareAndSet(cut, null)) {
                    cuts.incrementAndGet();
                    // A reset at both ends, as when a cable is pulled.
                    from.setSoLinger(true, 0);
                    to.setSoLinger(true, 0);
                    return;
                }
                out.write(buffer, 0, length);
            }
        }
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void start(String name, Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException end) {
                // A connection that ends takes its pumps with it.
            }
        }, name);
        thread.setDaemon(true);
        thread.start();
    }
}
