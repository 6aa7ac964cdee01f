package weir;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;
import org.jclouds.s3.S3Client;

/** Counts the parts that a client has on their way. */
final class WatchedClient {

    private final S3Client inner;
    private final AtomicInteger attempts = new AtomicInteger();
    private final AtomicInteger now = new AtomicInteger();
    private final AtomicInteger mostAtOnce = new AtomicInteger();

    WatchedClient(S3Client inner) {
        this.inner = inner;
    }

    /** The same client, watched. */
    S3Client client() {
        Class<?>[] types = {S3Client.class};
        return (S3Client) Proxy.newProxyInstance(S3Client.class.getClassLoader(), types, this::call);
    }

    int attempts() {
        return attempts.get();
    }

    int mostAtOnce() {
        return mostAtOnce.get();
    }

    private Object call(Object proxy, Method method, Object[] arguments) throws Throwable {
        boolean isPart = method.getName().equals("uploadPart");
        if (isPart) {
            attempts.incrementAndGet();
            int atOnce = now.incrementAndGet();
            mostAtOnce.accumulateAndGet(atOnce, Math::max);
        }
        try {
            return method.invoke(inner, arguments);
        } catch (InvocationTargetException failure) {
            throw failure.getCause();
        } finally {
            if (isPart) {
                now.decrementAndGet();
            }
        }
    }
}
