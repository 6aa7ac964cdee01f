// minio-go against a running server, over plain HTTP: the client that signs each chunk of its bodies, and the trailer
// after them. It can't use an endpoint with a path, so this one is at `/`.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	mib    = 1 << 20
	bucket = "bucket-of-minio-go"
	region = "us-east-1"

	signedChunks           = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedChunksAndTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

var (
	ctx            = context.Background()
	accessKey      = os.Getenv("S3_ACCESS_KEY")
	secretKey      = os.Getenv("S3_SECRET_KEY")
	keysAreChecked = os.Getenv("S3_OPEN") != "1"
)

// payloadKinds sends requests and remembers each x-amz-content-sha256 of them.
type payloadKinds struct {
	lock sync.Mutex
	seen map[string]bool
}

func (p *payloadKinds) RoundTrip(request *http.Request) (*http.Response, error) {
	p.lock.Lock()
	p.seen[request.Header.Get("X-Amz-Content-Sha256")] = true
	p.lock.Unlock()
	return http.DefaultTransport.RoundTrip(request)
}

func (p *payloadKinds) expect(kind string) error {
	p.lock.Lock()
	defer p.lock.Unlock()
	if !p.seen[kind] {
		return fmt.Errorf("no request was of the kind %s", kind)
	}
	return nil
}

var kinds = &payloadKinds{seen: map[string]bool{}}

func clientWith(access, secret string) (*minio.Client, error) {
	endpoint, err := url.Parse(os.Getenv("S3_ENDPOINT"))
	if err != nil {
		return nil, err
	}
	return minio.New(endpoint.Host, &minio.Options{
		Creds:           credentials.NewStaticV4(access, secret, ""),
		Region:          region,
		BucketLookup:    minio.BucketLookupPath,
		TrailingHeaders: true,
		MaxRetries:      attempts(),
		Transport:       kinds,
	})
}

// How often a request is tried that the server puts off.
func attempts() int {
	count, err := strconv.Atoi(os.Getenv("S3_ATTEMPTS"))
	if err != nil {
		return 1
	}
	return count
}

func noise(length int) []byte {
	data := make([]byte, length)
	rand.New(rand.NewSource(int64(length))).Read(data)
	return data
}

// putAndGet sends an object of this length, and expects the same bytes back.
func putAndGet(client *minio.Client, length int, options minio.PutObjectOptions) error {
	key, data := fmt.Sprintf("objects/%d", length), noise(length)
	if _, err := client.PutObject(ctx, bucket, key, bytes.NewReader(data), int64(length), options); err != nil {
		return err
	}
	object, err := client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer object.Close()
	back, err := io.ReadAll(object)
	if err != nil {
		return err
	}
	if !bytes.Equal(back, data) {
		return fmt.Errorf("other bytes came back: %d of %d", len(back), length)
	}
	return nil
}

func list(client *minio.Client) ([]string, error) {
	var keys []string
	for object := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		keys = append(keys, object.Key)
	}
	return keys, nil
}

func expectRefusal(access, secret, code string) error {
	client, err := clientWith(access, secret)
	if err != nil {
		return err
	}
	_, err = client.PutObject(ctx, bucket, "refused", bytes.NewReader([]byte("x")), 1, minio.PutObjectOptions{})
	if found := minio.ToErrorResponse(err).Code; found != code {
		return fmt.Errorf("not %s: %q, %v", code, found, err)
	}
	return nil
}

// bodies sends objects whole and in parts, without a trailer and with one.
func bodies(checks *Checks, client *minio.Client) {
	// 64 KiB is the length of one of its chunks, 16 MiB that of a part.
	for _, length := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 5*mib + 1, 40 * mib} {
		checks.check(fmt.Sprintf("put and get %d B", length), func() error {
			// A body that nothing checks but the signatures of its chunks.
			return putAndGet(client, length, minio.PutObjectOptions{DisableMultipart: length < 16*mib})
		})
		checks.check(fmt.Sprintf("put and get %d B with a checksum", length), func() error {
			return putAndGet(client, length, minio.PutObjectOptions{Checksum: minio.ChecksumCRC32C})
		})
	}
	checks.check("kinds of payload", func() error {
		if err := kinds.expect(signedChunks); err != nil {
			return err
		}
		return kinds.expect(signedChunksAndTrailer)
	})
}

func refusals(checks *Checks, client *minio.Client) {
	checks.check("a wrong secret key is refused with SignatureDoesNotMatch", func() error {
		return expectRefusal(accessKey, "of-another-key-and-as-long-as-any-other.", "SignatureDoesNotMatch")
	})
	checks.check("an unknown access key is refused with InvalidAccessKeyId", func() error {
		return expectRefusal("NOBODYHASTHISKEY0000", secretKey, "InvalidAccessKeyId")
	})
	checks.check("nothing that was refused is there", func() error {
		_, err := client.StatObject(ctx, bucket, "refused", minio.StatObjectOptions{})
		if found := minio.ToErrorResponse(err).Code; found != "NoSuchKey" {
			return fmt.Errorf("%q: %v", found, err)
		}
		return nil
	})
}

func deleteAll(client *minio.Client) error {
	keys, err := list(client)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := client.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{}); err != nil {
			return err
		}
	}
	return client.RemoveBucket(ctx, bucket)
}

func main() {
	checks := &Checks{name: "minio-go"}
	client, err := clientWith(accessKey, secretKey)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	checks.check("make bucket", func() error {
		return client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: region})
	})
	bodies(checks, client)
	checks.check("list", func() error {
		keys, err := list(client)
		if err == nil && len(keys) != 7 {
			err = fmt.Errorf("%d keys: %v", len(keys), keys)
		}
		return err
	})
	if keysAreChecked {
		refusals(checks, client)
	}
	checks.check("delete all objects, and the bucket", func() error { return deleteAll(client) })
	checks.done()
}
