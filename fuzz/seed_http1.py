#!/usr/bin/env python3
"""Writes the seeds of the HTTP/1 fuzz targets into corpus/: one small file a case, named for it.

Run from anywhere, again after adding a case. Files that it does not know (findings) are left alone.
"""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent / "corpus"
H = b"Host: a.example\r\n"
POST = b"POST /v1/charges HTTP/1.1\r\n" + H
OK = b"HTTP/1.1 200 OK\r\n"
END = b"\r\n"


def fields(start, **cases):
    """Cases that differ in the fields after `start`."""
    return {name: start + text + END for name, text in cases.items()}


FRAMING = dict(
    length=b"Content-Length: 12\r\n",
    length_zero=b"Content-Length: 0\r\n",
    length_max=b"Content-Length: 9223372036854775807\r\n",
    length_over=b"Content-Length: 9223372036854775808\r\n",
    length_wraps=b"Content-Length: 18446744073709551621\r\n",
    length_empty=b"Content-Length:\r\n",
    length_plus=b"Content-Length: +1\r\n",
    length_minus=b"Content-Length: -1\r\n",
    length_hex=b"Content-Length: 0x10\r\n",
    length_underscore=b"Content-Length: 1_0\r\n",
    length_list=b"Content-Length: 5, 5\r\n",
    length_twice=b"Content-Length: 5\r\nContent-Length: 5\r\n",
    length_two=b"Content-Length: 5\r\nContent-Length: 6\r\n",
    length_spaced=b"Content-Length : 5\r\n",
    length_folded=b"Content-Length:\r\n 5\r\n",
    length_look_alike=b"Content_Length: 5\r\n",
    chunked=b"Transfer-Encoding: chunked\r\n",
    chunked_case=b"transfer-encoding:\tChUnKeD \r\n",
    chunked_twice=b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    chunked_list=b"Transfer-Encoding: chunked, chunked\r\n",
    chunked_parameter=b"Transfer-Encoding: chunked;a=b\r\n",
    chunked_tab=b"Transfer-Encoding: \x0bchunked\r\n",
    chunked_look_alike=b"Transfer_Encoding: chunked\r\n",
    gzip=b"Transfer-Encoding: gzip\r\n",
    gzip_chunked=b"Transfer-Encoding: gzip, chunked\r\n",
    chunked_gzip=b"Transfer-Encoding: chunked, gzip\r\n",
    identity=b"Transfer-Encoding: identity\r\n",
    both=b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    both_reversed=b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    fold=b"X: 1\r\n more\r\n",
    fold_tab=b"X: 1\r\n\tmore\r\n",
    bare_lf=b"X: 1\nY: 2\r\n",
    bare_cr=b"X: 1\rY: 2\r\n",
    cr_cr=b"X: 1\r\r\n",
    nul=b"X: a\0b\r\n",
    del_=b"X: \x7f\r\n",
    no_name=b": 1\r\n",
    no_colon=b"Nothing\r\n",
    space_before_colon=b"X : 1\r\n",
    obs_text=b"X: caf\xc3\xa9\r\n",
    empty_value=b"X:\r\nY: \t \r\n",
    close=b"Connection: close\r\n",
    keep_alive=b"Connection: Keep-Alive\r\nKeep-Alive: timeout=5, max=100\r\n",
    connection_names=b"Connection: Idempotency-Key, x-a,,close\r\nIdempotency-Key: k\r\nX-A: 1\r\n",
    connection_bad=b"Connection: a b\r\n",
    many_fields=b"A: b\r\n" * 140,
    hop_by_hop=b"TE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\nProxy-Connection: x\r\n",
    holdfast=b"Holdfast-Effect: none\r\nholdfast-call: x\r\n",
)

REQUESTS = fields(
    POST,
    **FRAMING,
    expect=b"Expect: 100-continue\r\nContent-Length: 1\r\n",
    expect_other=b"Expect: 200-ok\r\n",
    expect_twice=b"Expect: 100-continue\r\nExpect: 100-continue\r\n",
    upgrade=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n",
    two_hosts=b"Host: b\r\n",
)
REQUESTS.update(
    get=b"GET /a%2Fb/../c?q={}|\\ HTTP/1.1\r\n" + H + END,
    pipelined=b"GET / HTTP/1.1\r\n" + H + END + b"GET /b HTTP/1.1\r\n" + H + END,
    old=b"GET / HTTP/1.0\r\n\r\n",
    old_chunked=b"POST / HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n",
    old_expect=b"POST / HTTP/1.0\r\nExpect: 200-ok\r\n\r\n",
    no_host=b"GET / HTTP/1.1\r\n\r\n",
    host_list=b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    host_user=b"GET / HTTP/1.1\r\nHost: me@a\r\n\r\n",
    host_ipv6=b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    host_port=b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
    absolute=b"GET http://A.example/x?y HTTP/1.1\r\n" + H + END,
    absolute_query=b"GET http://a.example?y HTTP/1.1\r\n" + H + END,
    absolute_other=b"GET http://evil/ HTTP/1.1\r\n" + H + END,
    options=b"OPTIONS * HTTP/1.1\r\n" + H + END,
    options_absolute=b"OPTIONS http://a.example HTTP/1.1\r\n" + H + END,
    get_asterisk=b"GET * HTTP/1.1\r\n" + H + END,
    fragment=b"GET /a#b HTTP/1.1\r\n" + H + END,
    target_utf8=b"GET /caf\xc3\xa9 HTTP/1.1\r\n" + H + END,
    target_space=b"GET /a b HTTP/1.1\r\n" + H + END,
    connect=b"CONNECT a:443 HTTP/1.1\r\n" + H + END,
    http2=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    http09=b"GET /\r\n\r\n",
    version=b"GET / HTTP/1.2\r\n" + H + END,
    empty_line_first=b"\r\nGET / HTTP/1.1\r\n" + H + END,
    empty_lines_first=b"\r\n\r\nGET / HTTP/1.1\r\n" + H + END,
    lf_only=b"GET / HTTP/1.1\nHost: a\n\n",
    long_method=b"A" * 33 + b" / HTTP/1.1\r\n" + H + END,
    tls=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    long_target=b"GET /" + b"a" * 4100 + b" HTTP/1.1\r\n" + H + END,
    cut=b"GET / HTTP/1.1\r\nHost: a.exa",
)

RESPONSES = fields(OK, **FRAMING)
RESPONSES.update(
    plain=OK + END,
    no_reason=b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    no_blank=b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    reason=b"HTTP/1.1 404 Not  F\xc3\xb6und\t\r\nContent-Length: 0\r\n\r\n",
    old=b"HTTP/1.0 200 OK\r\n\r\n",
    old_chunked=b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    continue_=b"HTTP/1.1 100 Continue\r\n\r\n",
    continue_length=b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
    switching=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    hints=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    no_content=b"HTTP/1.1 204 No Content\r\n\r\n",
    no_content_length=b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    not_modified=b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    status_099=b"HTTP/1.1 099 X\r\n\r\n",
    status_600=b"HTTP/1.1 600 X\r\n\r\n",
    status_long=b"HTTP/1.1 2000 X\r\n\r\n",
    http2=b"HTTP/2.0 200 OK\r\n\r\n",
    icy=b"ICY 200 OK\r\n\r\n",
    empty_line_first=b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    lf_only=b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    two=OK + b"Content-Length: 0\r\n\r\n" + OK + END,
    cut=b"HTTP/1.1 200 OK\r\nContent-Le",
)

LAST = b"\r\n0\r\n\r\n"
BODIES = {
    name: size + b"\r\nhello" + LAST
    for name, size in dict(
        plain=b"5", zeros=b"0000000000000005", digits_17=b"00000000000000005",
        wraps=b"10000000000000005", huge=b"ffffffffffffffff",
        hex_prefix=b"0x5", plus=b"+5", minus=b"-5", underscore=b"1_0",
        space_before=b" 5", space_after=b"5 ", tab_after=b"5\t", letter=b"g", nul=b"5\0", empty=b"",
        too_short=b"4", too_long=b"6", extension=b"5;a=b;c", extension_empty=b"5;",
        extension_space=b"5; a", extension_no_name=b"5;=b", extension_no_value=b"5;a=",
        extension_quoted=b'5;a="b"', extension_lf=b"5;a\n", extension_cr=b"5;a\rb",
        extension_long=b"5;" + b"a" * 260,
    ).items()
}
BODIES.update(
    none=b"0\r\n\r\n",
    two=b"2\r\nhe\r\nA\r\nllo, world" + LAST,
    capitals=b"0A\r\n0123456789" + LAST,
    size_lf=b"5\nhello" + LAST,
    size_cr=b"5\rhello" + LAST,
    size_cr_cr=b"5\r\r\nhello" + LAST,
    data_lf=b"5\r\nhello\n0\r\n\r\n",
    data_cr=b"5\r\nhello\r0\r\n\r\n",
    data_crlf=b"4\r\n\r\n\r\n" + LAST,
    last_lf=b"0\r\n\n",
    last_cr=b"0\r\n\rX",
    last_extension=b"0;a=b\r\n\r\n",
    trailer=b"0\r\nX: y\r\nZ:\r\n\r\n",
    trailer_fold=b"0\r\nX: y\r\n z\r\n\r\n",
    trailer_lf=b"0\r\nX: y\n\r\n",
    trailer_no_name=b"0\r\n: y\r\n\r\n",
    trailer_no_colon=b"0\r\nX\r\n\r\n",
    trailer_length=b"0\r\nContent-Length: 5\r\n\r\n",
    trailer_coding=b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    trailer_second=b"0\r\nX: y\r\nContent-Length: 5\r\n\r\n",
    trailer_long=b"0\r\nX: " + b"y" * 1100,
    tiny_chunks=b"1;x\r\na\r\n" * 40 + b"0\r\n\r\n",
    next_message=b"1\r\na" + LAST + b"GET / HTTP/1.1\r\n",
    cut=b"5\r\nhel",
)


def main():
    for target, cases in dict(
        request_head=REQUESTS, response_head=RESPONSES, chunked_body=BODIES
    ).items():
        directory = ROOT / target
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in cases.items():
            (directory / name.strip("_")).write_bytes(data)
        print(f"{target}: {len(cases)} seeds")


if __name__ == "__main__":
    main()
