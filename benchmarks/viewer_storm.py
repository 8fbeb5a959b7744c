"""Many people at a POD's page: `python -m benchmarks.viewer_storm ADDRESS SIGN_IN_LINK VIEWERS SECONDS`.

Half of them keep the stream of events open, the others load page, list and health again and again.
"""

import sys
import threading
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar

_PAGES = ("", "now", "list", "health", "healthz")
_TIMEOUT_S = 10.0


def storm(address: str, link: str, *, viewers: int, seconds: float) -> int:
    """Returns how many answers came back whole.

    Raises:
        OSError: the POD did not let the first of them in.
    """
    jar = CookieJar()
    urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(
        link, timeout=_TIMEOUT_S
    ).close()
    end_s = time.monotonic() + seconds
    answered = [0] * viewers

    def watch(number: int) -> None:
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        while time.monotonic() < end_s:
            try:
                if number % 2:
                    _listen(browser, f"{address}stream", end_s)
                else:
                    for page in _PAGES:
                        browser.open(f"{address}{page}", timeout=_TIMEOUT_S).read()
                        answered[number] += 1
            except (OSError, urllib.error.URLError):
                time.sleep(0.2)

    threads = [threading.Thread(target=watch, args=(n,), daemon=True) for n in range(viewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end_s - time.monotonic()) + 1)
    return sum(answered)


def _listen(browser: urllib.request.OpenerDirector, url: str, end_s: float) -> None:
    with browser.open(url, timeout=_TIMEOUT_S) as stream:
        while time.monotonic() < end_s and stream.readline():
            pass


if __name__ == "__main__":
    found = storm(sys.argv[1], sys.argv[2], viewers=int(sys.argv[3]), seconds=float(sys.argv[4]))
    print(f"{found} pages were answered", file=sys.stderr)
    sys.exit(0 if found else 1)
