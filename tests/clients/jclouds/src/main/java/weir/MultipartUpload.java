package weir;

import com.google.common.io.ByteSource;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jclouds.http.HttpResponseException;
import org.jclouds.s3.S3Client;
import org.jclouds.s3.domain.ObjectMetadata;
import org.jclouds.s3.domain.ObjectMetadataBuilder;

/**
 * Uploads objects in parts: several at the same time, but never more than the cap, and each again when it fails for a
 * reason that may pass.
 */
final class MultipartUpload {

    static final int PARALLEL_REQUESTS_MAX = 4;
    static final int ATTEMPTS_MAX = 4;
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);

    private final S3Client client;

    MultipartUpload(S3Client client) {
        this.client = client;
    }

    /** Uploads an object and gives its ETag. A failure leaves neither an object nor an upload behind. */
    String upload(String bucket, String key, byte[] content) throws Exception {
        ObjectMetadata metadata = ObjectMetadataBuilder.create()
                .key(key)
                .contentMD5(Part.md5(ByteSource.wrap(content)).asBytes())
                .build();
        String uploadId = client.initiateMultipartUpload(bucket, metadata);
        try {
            Map<Integer, String> tags = uploadParts(bucket, key, uploadId, Part.cut(content));
            return client.completeMultipartUpload(bucket, key, uploadId, tags);
        } catch (Exception failure) {
            client.abortMultipartUpload(bucket, key, uploadId);
            throw failure;
        }
    }

    /** The ETag of each part by its number. */
    private Map<Integer, String> uploadParts(String bucket, String key, String uploadId, List<Part> parts)
            throws Exception {
        ExecutorService senders = Executors.newFixedThreadPool(PARALLEL_REQUESTS_MAX);
        try {
            Map<Integer, Future<String>> sent = new HashMap<>();
            for (Part part : parts) {
                sent.put(part.number(), senders.submit(() -> uploadPart(bucket, key, uploadId, part)));
            }
            Map<Integer, String> tags = new HashMap<>();
            for (Map.Entry<Integer, Future<String>> entry : sent.entrySet()) {
                tags.put(entry.getKey(), entry.getValue().get());
            }
            return tags;
        } catch (ExecutionException failure) {
            throw failure.getCause() instanceof Exception cause ? cause : failure;
        } finally {
            senders.shutdownNow();
        }
    }

    private String uploadPart(String bucket, String key, String uploadId, Part part)
            throws IOException, InterruptedException {
        Duration pause = FIRST_PAUSE;
        for (int attempt = 1; ; attempt++) {
            try {
                return client.uploadPart(bucket, key, part.number(), uploadId, part.payload());
            } catch (HttpResponseException failure) {
                if (attempt == ATTEMPTS_MAX || !mayPass(failure)) {
                    throw failure;
                }
            }
            Thread.sleep(pause.toMillis());
            pause = pause.multipliedBy(2);
        }
    }

    /** The connection broke before an answer, or the answer blames the server. */
    private static boolean mayPass(HttpResponseException failure) {
        return failure.getResponse() == null || failure.getResponse().getStatusCode() >= 500;
    }
}
