"""Numbers and words that readers stumble over."""

# Where whole numbers of 1, 2, 4 and 8 bytes turn over.
TURNS = [
    value % 2**64
    for bits in (7, 8, 15, 16, 31, 32, 63)
    for value in (2**bits - 1, 2**bits, -(2**bits))
]
EDGES = (*TURNS, 0, 1, 2**64 - 1)
_NUMBERS = """
0 -0 -1 2.5 1e5 1e12 1e400 1e999999999 -1e999999999 1e-999999999 1e e9 +-1 1.5.5 .
1000000000000000 999999999 2147483648 4294967297 1,5 1.234,5 1,200 1_000 0x1F
NaN inf -Infinity 1/0 1/3 3/2 12:61:00 25:00:00 00:00:60 99999:00:00 -00:00:01,000
"""
NUMBERS = (*_NUMBERS.split(), "9" * 400, "\u0661\u0662", "\u00b2", "\u00bd")
_WORDS = """
' " "" "unclosed # // % %s {0} { }} ${HOME} $(id) ` * ? [a] --- \\ =1+1 @SUM(A1) +1
=HYPERLINK("http://x","y") --> WEBVTT NOTE STYLE REGION X-TIMESTAMP-MAP=MPEGTS:900000
<c.a.b> <ruby> <00:00:01.000> &amp; &#x110000; &#0; &bogus; n/a NA null None True
../../etc/passwd /dev/zero /dev/stdin http://x/y !!python/object:os.system &a[*a] 1900-01-00
"""
_SIGNS = (
    *("", " ", "\t", "\n", "\r", "\r\n", "\r\r\n", "\0", "\ufeff", "\x1a", "\x0b", "\x0c", "\x85"),
    *("\u2028", "\u00a0", "\u200b", "\u202e", "\ud7ff", "\U0001f600", "\u00e9", "\u0130"),
)
TOKENS = (*_WORDS.split(), *_SIGNS, "# comment", "00:00:01.000 -->", "--> -->")
LONG = ("9" * 100_000, "a" * 300_000, "," * 20_000, "\t" * 20_000, '"' * 50_001, "[" * 100_000)
