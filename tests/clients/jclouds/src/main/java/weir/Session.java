package weir;

import static weir.Checks.expect;

import com.google.common.hash.HashCode;
import com.google.common.hash.Hashing;
import com.google.common.hash.HashingInputStream;
import com.google.common.io.ByteStreams;
import java.io.IOException;
import java.net.URI;
import java.util.List;
import java.util.Properties;
import java.util.SplittableRandom;
import java.util.logging.LogManager;
import org.jclouds.Constants;
import org.jclouds.ContextBuilder;
import org.jclouds.aws.AWSResponseException;
import org.jclouds.aws.s3.AWSS3Client;
import org.jclouds.s3.S3Client;
import org.jclouds.s3.domain.ObjectMetadata;
import org.jclouds.s3.reference.S3Constants;

/**
 * Apache jclouds against a running server: objects of 16 and 200 MiB go up in parts, in spite of a connection that
 * breaks in the middle of one, and come back byte for byte. Once by Signature Version 4, the provider `aws-s3`, and
 * once by Version 2, the provider `s3`. jclouds can't use an endpoint with a path, so this one is at `/`.
 */
public final class Session {

    private static final int MIB = 1 << 20;
    private static final int[] SIZES = {16 * MIB, 200 * MIB};
    private static final String REGION = "us-east-1";
    private static final String ACCESS_KEY = System.getenv("S3_ACCESS_KEY");
    private static final String SECRET_KEY = System.getenv("S3_SECRET_KEY");
    private static final boolean KEYS_ARE_CHECKED = !"1".equals(System.getenv("S3_OPEN"));

    private final Checks checks;
    private final String provider;
    private final String bucket;
    private final CuttingProxy proxy;
    private final WatchedClient watched;
    private final S3Client client;

    private Session(String provider, CuttingProxy proxy) {
        this.checks = new Checks("jclouds " + provider);
        this.provider = provider;
        this.bucket = "bucket-of-jclouds-" + provider;
        this.proxy = proxy;
        this.watched = new WatchedClient(connect(provider, proxy.endpoint(), ACCESS_KEY, SECRET_KEY));
        this.client = watched.client();
    }

    public static void main(String[] arguments) throws IOException {
        // jclouds logs each failure as severe, also those that are repeated.
        LogManager.getLogManager().reset();
        boolean passed = true;
        try (CuttingProxy proxy = new CuttingProxy(URI.create(System.getenv("S3_ENDPOINT")))) {
            for (String provider : List.of("aws-s3", "s3")) {
                passed &= new Session(provider, proxy).run();
            }
        }
        System.exit(passed ? 0 : 1);
    }

    private static S3Client connect(String provider, URI endpoint, String accessKey, String secretKey) {
        Properties settings = new Properties();
        settings.setProperty(S3Constants.PROPERTY_S3_VIRTUAL_HOST_BUCKETS, "false");
        // A failed part is this program's to repeat.
        settings.setProperty(Constants.PROPERTY_MAX_RETRIES, "0");
        ContextBuilder builder = ContextBuilder.newBuilder(provider)
                .endpoint(endpoint.toString())
                .credentials(accessKey, secretKey)
                .overrides(settings);
        return provider.equals("aws-s3") ? builder.buildApi(AWSS3Client.class) : builder.buildApi(S3Client.class);
    }

    private boolean run() throws IOException {
        checks.check("make bucket", () -> expect(client.putBucketInRegion(REGION, bucket), "it was there already"));
        for (int size : SIZES) {
            checks.check("upload and download " + size / MIB + " MiB", () -> upAndDown(size));
        }
        checks.check("list", this::list);
        if (KEYS_ARE_CHECKED) {
            checks.check("a wrong secret key is refused with SignatureDoesNotMatch", () ->
                    expectRefusal(ACCESS_KEY, "of-another-key-and-as-long-as-any-other.", "SignatureDoesNotMatch"));
            checks.check("an unknown access key is refused with InvalidAccessKeyId", () ->
                    expectRefusal("NOBODYHASTHISKEY0000", SECRET_KEY, "InvalidAccessKeyId"));
        }
        checks.check("delete both, and the bucket", this::deleteAll);
        client.close();
        return checks.done();
    }

    private void upAndDown(int size) throws Exception {
        byte[] content = noise(size);
        int parts = Part.cut(content).size();
        int attempts = watched.attempts();
        int cuts = proxy.cuts();
        // In the middle of a part.
        proxy.cutOnceAfter(2 * MIB);
        String tag = new MultipartUpload(client).upload(bucket, objectKey(size), content);

        expect(tag.replace("\"", "").endsWith("-" + parts), "the ETag of " + parts + " parts is " + tag);
        expect(proxy.cuts() == cuts + 1, "no connection was cut");
        expect(watched.attempts() == attempts + parts + 1, "the part that was cut off was not sent again, once");
        int most = watched.mostAtOnce();
        expect(most > 1 && most <= MultipartUpload.PARALLEL_REQUESTS_MAX, most + " parts at the same time");
        expect(sha256(objectKey(size)).equals(Hashing.sha256().hashBytes(content)), "other bytes came back");
    }

    private void list() {
        List<String> listed = client.listBucket(bucket).stream()
                .map(found -> found.getKey() + " " + size(found))
                .toList();
        List<String> expected = List.of(objectKey(SIZES[0]) + " " + SIZES[0], objectKey(SIZES[1]) + " " + SIZES[1]);
        expect(listed.equals(expected), "listed are " + listed);
        expect(client.listOwnedBuckets().stream().anyMatch(found -> found.getName().equals(bucket)), "no such bucket");
    }

    private static long size(ObjectMetadata found) {
        return found.getContentMetadata().getContentLength();
    }

    private void expectRefusal(String accessKey, String secretKey, String code) throws IOException {
        try (S3Client refused = connect(provider, proxy.endpoint(), accessKey, secretKey)) {
            refused.deleteObject(bucket, objectKey(SIZES[0]));
        } catch (RuntimeException refusal) {
            expect(codeOf(refusal).equals(code), "not " + code + ": " + refusal);
            expect(client.objectExists(bucket, objectKey(SIZES[0])), "the object has gone");
            return;
        }
        throw new AssertionError("not refused with " + code);
    }

    /** The code of S3 that jclouds reports, whatever it wraps the answer in. */
    private static String codeOf(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof AWSResponseException answer) {
                return answer.getError().getCode();
            }
        }
        return "";
    }

    private void deleteAll() {
        for (int size : SIZES) {
            client.deleteObject(bucket, objectKey(size));
            expect(!client.objectExists(bucket, objectKey(size)), "it is still there");
        }
        expect(client.deleteBucketIfEmpty(bucket), "the bucket is not empty");
        expect(!client.bucketExists(bucket), "the bucket is still there");
    }

    private HashCode sha256(String key) throws IOException {
        try (HashingInputStream body = new HashingInputStream(
                Hashing.sha256(), client.getObject(bucket, key).getPayload().openStream())) {
            ByteStreams.exhaust(body);
            return body.hash();
        }
    }

    private static String objectKey(int size) {
        return "%03d-mib".formatted(size / MIB);
    }

    private static byte[] noise(int size) {
        byte[] bytes = new byte[size];
        new SplittableRandom(size).nextBytes(bytes);
        return bytes;
    }
}
