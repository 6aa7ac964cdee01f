package weir;

import com.google.common.hash.HashCode;
import com.google.common.hash.Hashing;
import com.google.common.io.ByteSource;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jclouds.io.Payload;
import org.jclouds.io.Payloads;

/** A run of an object's bytes that is uploaded by one request. Numbers begin at 1. */
record Part(int number, ByteSource bytes) {

    /** S3 takes no shorter part but the last one. */
    static final int MIN_BYTES = 5 << 20;

    /** As many parts as the shortest length allows; what is left over goes with the last one. */
    static List<Part> cut(byte[] content) {
        int count = Math.max(1, content.length / MIN_BYTES);
        int partBytes = content.length / count;
        List<Part> parts = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            int first = index * partBytes;
            int length = index == count - 1 ? content.length - first : partBytes;
            parts.add(new Part(index + 1, ByteSource.wrap(content).slice(first, length)));
        }
        return parts;
    }

    /** A body with its length and its MD5, which the server compares. Each attempt takes a new one. */
    Payload payload() throws IOException {
        Payload payload = Payloads.newByteSourcePayload(bytes);
        payload.getContentMetadata().setContentLength(bytes.size());
        payload.getContentMetadata().setContentMD5(md5(bytes));
        return payload;
    }

    // Content-MD5 is MD5, however old that is.
    @SuppressWarnings("deprecation")
    static HashCode md5(ByteSource bytes) throws IOException {
        return bytes.hash(Hashing.md5());
    }
}
