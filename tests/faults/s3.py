"""As much of an S3 client as the fault runs need, over http.client; no signatures, for gateways without keys."""

import http.client
import re
from urllib.parse import quote

BASE = "/api/v1/s3"
TIMEOUT_SECONDS = 20


class Lost(Exception):
    """No answer: whether the change happened is not known."""


class Refused(Exception):
    """An answer that is not a success."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body[:200]!r}")
        self.status = status


class Client:
    """Speaks to the first of `ports`; after a connection was lost, to the next."""

    def __init__(self, ports):
        self._ports = list(ports)
        self._connection = None

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, method, path, body=None, headers=None):
        """Returns the body and the headers of a 2xx answer; raises Lost or Refused."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._ports[0], timeout=TIMEOUT_SECONDS)
            self._connection.request(method, BASE + path, body=body, headers=headers or {})
            answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            self._ports.append(self._ports.pop(0))
            raise Lost(f"{method} {path}: {error!r}") from error
        if answer.will_close:
            self.close()
        if 200 <= answer.status < 300:
            return data, answer.headers
        raise Refused(answer.status, data)

    def find(self, path):
        """The bytes under a path, or None when nothing is there."""
        try:
            return self.call("GET", path)[0]
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def bucket_exists(self, bucket):
        try:
            self.call("HEAD", f"/{bucket}")
            return True
        except Refused as refused:
            if refused.status == 404:
                return False
            raise

    def begin_multipart(self, path, parts):
        """Creates an upload and sends its parts; returns the path and document that complete it."""
        body, _ = self.call("POST", path + "?uploads")
        upload = re.search(rb"<UploadId>(.*?)</UploadId>", body).group(1).decode()
        document = "<CompleteMultipartUpload>"
        for number, part in enumerate(parts, 1):
            _, headers = self.call("PUT", f"{path}?partNumber={number}&uploadId={upload}", part)
            document += f"<Part><PartNumber>{number}</PartNumber><ETag>{headers['ETag']}</ETag></Part>"
        return f"{path}?uploadId={upload}", document + "</CompleteMultipartUpload>"

    def keys(self, bucket):
        """All keys of a bucket, through pages."""
        found, token = [], ""
        while True:
            body, _ = self.call("GET", f"/{bucket}?list-type=2&max-keys=100{token}")
            found += [key.decode() for key in re.findall(rb"<Key>(.*?)</Key>", body)]
            next_token = re.search(rb"<NextContinuationToken>(.*?)</NextContinuationToken>", body)
            if next_token is None:
                return found
            token = "&continuation-token=" + quote(next_token.group(1).decode(), safe="")
