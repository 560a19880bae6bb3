"""A proxy on loopback before a tracking server, which does to requests what a test says."""

import contextlib
import http.client
import http.server
import threading
import time
from urllib.parse import urlparse

PASS, LOSE = "pass", "lose"


@contextlib.contextmanager
def proxied(uri, law):
    """The URI of the proxy.

    Args:
        uri: of the server.
        law: told method and path; says `PASS`, `LOSE` (the answer), a status that is answered in the server's place, or
            seconds (a float) that the request waits.
    """

    class Proxy(http.server.BaseHTTPRequestHandler):
        def handle_one(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding"):  # as an empty file is sent
                assert self.rfile.readline().strip() == b"0"
                self.rfile.readline()
            does = law(self.command, self.path.partition("?")[0])
            if isinstance(does, float):
                time.sleep(does)
            elif isinstance(does, int):
                self.answer(does, [("Content-Type", "text/plain")], b"the proxy says so")
                return
            status, headers, content = handed_on(self, body, uri)
            if does == LOSE:
                self.close_connection = True
                self.connection.close()
                return
            self.answer(status, headers, content)

        def answer(self, status, headers, content):
            with contextlib.suppress(ConnectionError):  # who asked may have gone
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        proxy.daemon_threads = True
        proxy.block_on_close = False
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{proxy.server_port}"
        proxy.shutdown()


def handed_on(request, body, uri):
    """Status, headers and content of the server's own answer."""
    there = http.client.HTTPConnection("127.0.0.1", urlparse(uri).port, timeout=60)
    headers = {name: value for name, value in request.headers.items() if name != "Transfer-Encoding"}
    there.request(request.command, request.path, body, headers)
    answer = there.getresponse()
    return answer.status, answer.getheaders(), answer.read()
