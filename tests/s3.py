"""An S3 server on loopback that knows its keys, and lets nobody else in."""

import contextlib
import json
import os
import socket
import subprocess
import time
from pathlib import Path

import boto3

from serving import PROGRAMS

BUCKET = "lake"
# What a server without users is asked before it knows one: the user, what they may, their key, the bucket.
_FIRST = 4
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class S3:
    """A server with one user and one bucket.

    Attributes:
        uri: of the server.
        key, secret: of its user.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(_FIRST)}
        with (folder / "s3.log").open("wb") as log:
            words = [str(PROGRAMS / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
            self._process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < end, (folder / "s3.log").read_text()
            time.sleep(0.1)
        self.key, self.secret = "nobody", "yet"
        users = self.client("iam")
        users.create_user(UserName="tester")
        users.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=json.dumps(_ALL))
        made = users.create_access_key(UserName="tester")["AccessKey"]
        self.client().create_bucket(Bucket=BUCKET)
        self.key, self.secret = made["AccessKeyId"], made["SecretAccessKey"]

    def client(self, service: str = "s3"):
        own = {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret}
        return boto3.client(service, endpoint_url=self.uri, region_name="us-east-1", **own)

    def words(self) -> list[str]:
        """That lead Spark to it."""
        where = f"{{endpoint: '{self.uri}', endpoint.region: us-east-1, path.style.access: true}}"
        return ["cluster.packages=[s3]", f"cluster.conf.spark.hadoop.fs.s3a={where}"]

    def environment(self) -> dict[str, str]:
        """That lets a process in."""
        return {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@contextlib.contextmanager
def s3(folder: Path):
    """A server, gone at the end."""
    server = S3(folder)
    try:
        yield server
    finally:
        server.stop()
