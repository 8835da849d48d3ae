"""The cryptography under the leaf format, from its standards, on the standard library alone.

HKDF-SHA-256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439), X25519 (RFC 7748), Ed25519 (RFC 8032), ML-KEM-768 (FIPS 203),
X-Wing (draft-connolly-cfrg-xwing-kem) and HPKE in base mode (RFC 9180). Slow, and not in constant time: for vectors,
never for secrets. Not here: what is sealed (`sealed`).
"""

import hashlib
import hmac

# HKDF


def hkdf_extract(salt, key):
    return hmac.new(salt or bytes(32), key, hashlib.sha256).digest()


def hkdf_expand(key, info, length):
    out, block = b"", b""
    for counter in range(1, 256):
        if len(out) >= length:
            break
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
    return out[:length]


# ChaCha20-Poly1305


def _rotate(word, by):
    return (word << by | word >> 32 - by) & 0xFFFFFFFF


def _quarter(s, a, b, c, d):
    for x, y, z, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        s[z] = _rotate(s[z] ^ s[x], by)


def _words(data):
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


def _block(key, counter, nonce):
    start = _words(b"expand 32-byte k") + _words(key) + [counter] + _words(nonce)
    s = list(start)
    for _ in range(10):
        for column in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            _quarter(s, *column)
        for diagonal in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            _quarter(s, *diagonal)
    return b"".join((a + b & 0xFFFFFFFF).to_bytes(4, "little") for a, b in zip(s, start))


def _stream(key, nonce, data):
    blocks = (_block(key, 1 + i, nonce) for i in range((len(data) + 63) // 64))
    return bytes(a ^ b for a, b in zip(data, b"".join(blocks)))


def _tag(key, nonce, aad, cipher):
    one_time = _block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(one_time[16:32], "little")
    pad = lambda text: text + bytes(-len(text) % 16)
    text = pad(aad) + pad(cipher) + len(aad).to_bytes(8, "little") + len(cipher).to_bytes(8, "little")
    total = 0
    for i in range(0, len(text), 16):
        total = (total + int.from_bytes(text[i : i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return (total + s & 2**128 - 1).to_bytes(16, "little")


def aead_seal(key, nonce, aad, plain):
    cipher = _stream(key, nonce, plain)
    return cipher + _tag(key, nonce, aad, cipher)


def aead_open(key, nonce, aad, sealed):
    """The plain text, or None when the tag does not fit."""
    cipher, tag = sealed[:-16], sealed[-16:]
    return _stream(key, nonce, cipher) if len(sealed) >= 16 and _tag(key, nonce, aad, cipher) == tag else None


# X25519

P = 2**255 - 19


def x25519(scalar, u):
    k = int.from_bytes(scalar, "little") & (2**254 - 8) | 2**254
    x1 = int.from_bytes(u, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


BASE_U = (9).to_bytes(32, "little")

# Ed25519: signing only

D = -121665 * pow(121666, P - 2, P) % P
L = 2**252 + 27742317777372353535851937790883648493


def _add(p, q):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = p, q
    a, b = (y1 - x1) * (y2 - x2), (y1 + x1) * (y2 + x2)
    c, d = 2 * t1 * t2 * D, 2 * z1 * z2
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _base():
    y = 4 * pow(5, P - 2, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    x = P - x if x & 1 else x
    return x, y, 1, x * y % P


def _times(k, point):
    total = (0, 1, 1, 0)
    while k:
        if k & 1:
            total = _add(total, point)
        point, k = _add(point, point), k >> 1
    return total


def _encode(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _expand(seed):
    digest = hashlib.sha512(seed).digest()
    return int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254, digest[32:]


def ed25519_public(seed):
    return _encode(_times(_expand(seed)[0], _base()))


def ed25519_sign(seed, message):
    scalar, prefix = _expand(seed)
    public = ed25519_public(seed)
    number = lambda *parts: int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L
    r = number(prefix, message)
    point = _encode(_times(r, _base()))
    return point + ((r + number(point, public, message) * scalar) % L).to_bytes(32, "little")


# ML-KEM-768

Q, N, RANK = 3329, 256, 3
_reverse = lambda i: int(f"{i:07b}"[::-1], 2)
ZETAS = [pow(17, _reverse(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * _reverse(i) + 1, Q) for i in range(128)]


def _ntt(f):
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, N, 2 * length):
            for j in range(start, start + length):
                t = ZETAS[i] * f[j + length] % Q
                f[j], f[j + length] = (f[j] + t) % Q, (f[j] - t) % Q
            i += 1
        length //= 2
    return f


def _inverse_ntt(f):
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, N, 2 * length):
            for j in range(start, start + length):
                t = f[j]
                f[j], f[j + length] = (t + f[j + length]) % Q, ZETAS[i] * (f[j + length] - t) % Q
            i -= 1
        length *= 2
    return [x * 3303 % Q for x in f]


def _product(f, g):
    h = []
    for i in range(128):
        a, b, c, d = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        h += [(a * c + b * d * GAMMAS[i]) % Q, (a * d + b * c) % Q]
    return h


def _sum(*polynomials):
    return [sum(column) % Q for column in zip(*polynomials)]


def _pack(f, bits):
    return sum(x << bits * i for i, x in enumerate(f)).to_bytes(32 * bits, "little")


def _unpack(data, bits):
    number = int.from_bytes(data, "little")
    return [number >> bits * i & (1 << bits) - 1 for i in range(N)]


def _compress(f, bits):
    return [((x << bits + 1) + Q) // (2 * Q) & (1 << bits) - 1 for x in f]


def _decompress(f, bits):
    return [(2 * x * Q + (1 << bits)) >> bits + 1 for x in f]


def _uniform(seed):
    stream, f = hashlib.shake_128(seed).digest(3 * 1024), []
    for i in range(0, len(stream), 3):
        a, b, c = stream[i : i + 3]
        f += [x for x in (a | (b & 15) << 8, b >> 4 | c << 4) if x < Q]
    return f[:N]


def _noise(seed, number):
    bits = int.from_bytes(hashlib.shake_256(seed + bytes([number])).digest(128), "little")
    four = (bits >> 4 * i & 15 for i in range(N))
    return [((x & 1) + (x >> 1 & 1) - (x >> 2 & 1) - (x >> 3 & 1)) % Q for x in four]


def _matrix(rho):
    return [[_uniform(rho + bytes([j, i])) for j in range(RANK)] for i in range(RANK)]


def mlkem_keys(d, z):
    """The encapsulation key and the decapsulation key of the two seeds."""
    g = hashlib.sha3_512(d + bytes([RANK])).digest()
    rho, sigma = g[:32], g[32:]
    a = _matrix(rho)
    s = [_ntt(_noise(sigma, i)) for i in range(RANK)]
    e = [_ntt(_noise(sigma, RANK + i)) for i in range(RANK)]
    t = [_sum(e[i], *(_product(a[i][j], s[j]) for j in range(RANK))) for i in range(RANK)]
    public = b"".join(_pack(f, 12) for f in t) + rho
    private = b"".join(_pack(f, 12) for f in s)
    return public, private + public + hashlib.sha3_256(public).digest() + z


def _mlkem_encrypt(public, message, coins):
    t = [_unpack(public[384 * i : 384 * (i + 1)], 12) for i in range(RANK)]
    a = _matrix(public[384 * RANK :])
    y = [_ntt(_noise(coins, i)) for i in range(RANK)]
    e1 = [_noise(coins, RANK + i) for i in range(RANK)]
    e2 = _noise(coins, 2 * RANK)
    u = [_sum(e1[i], _inverse_ntt(_sum(*(_product(a[j][i], y[j]) for j in range(RANK))))) for i in range(RANK)]
    v = _inverse_ntt(_sum(*(_product(t[j], y[j]) for j in range(RANK))))
    v = _sum(v, e2, _decompress(_unpack(message, 1), 1))
    return b"".join(_pack(_compress(f, 10), 10) for f in u) + _pack(_compress(v, 4), 4)


def mlkem_encapsulate(public, message):
    g = hashlib.sha3_512(message + hashlib.sha3_256(public).digest()).digest()
    return g[:32], _mlkem_encrypt(public, message, g[32:])


def mlkem_decapsulate(private, cipher):
    secret, public = private[: 384 * RANK], private[384 * RANK : 768 * RANK + 32]
    digest, z = private[-64:-32], private[-32:]
    s = [_unpack(secret[384 * i : 384 * (i + 1)], 12) for i in range(RANK)]
    u = [_decompress(_unpack(cipher[320 * i : 320 * (i + 1)], 10), 10) for i in range(RANK)]
    v = _decompress(_unpack(cipher[320 * RANK :], 4), 4)
    w = _inverse_ntt(_sum(*(_product(s[i], _ntt(u[i])) for i in range(RANK))))
    message = _pack(_compress([(a - b) % Q for a, b in zip(v, w)], 1), 1)
    g = hashlib.sha3_512(message + digest).digest()
    if _mlkem_encrypt(public, message, g[32:]) == cipher:
        return g[:32]
    return hashlib.shake_256(z + cipher).digest(32)


# X-Wing


def xwing_keys(seed):
    """The public key, and what decapsulates: the ML-KEM key and the X25519 scalar."""
    expanded = hashlib.shake_256(seed).digest(96)
    public, private = mlkem_keys(expanded[:32], expanded[32:64])
    return public + x25519(expanded[64:], BASE_U), private, expanded[64:]


def _combine(secret_m, secret_x, cipher_x, public_x):
    return hashlib.sha3_256(secret_m + secret_x + cipher_x + public_x + b"\\.//^\\").digest()


def xwing_encapsulate(public, randomness):
    public_m, public_x = public[:1184], public[1184:]
    secret_m, cipher_m = mlkem_encapsulate(public_m, randomness[:32])
    cipher_x = x25519(randomness[32:], BASE_U)
    return _combine(secret_m, x25519(randomness[32:], public_x), cipher_x, public_x), cipher_m + cipher_x


def xwing_decapsulate(seed, cipher):
    public, private, scalar = xwing_keys(seed)
    cipher_m, cipher_x = cipher[:1088], cipher[1088:]
    secret_m = mlkem_decapsulate(private, cipher_m)
    return _combine(secret_m, x25519(scalar, cipher_x), cipher_x, public[1184:])


# HPKE, base mode: X-Wing, HKDF-SHA-256, ChaCha20-Poly1305

SUITE = b"HPKE" + bytes.fromhex("647a00010003")


def _schedule(secret, info):
    extract = lambda salt, label, key: hkdf_extract(salt, b"HPKE-v1" + SUITE + label + key)
    expand = lambda key, label, rest, n: hkdf_expand(key, n.to_bytes(2, "big") + b"HPKE-v1" + SUITE + label + rest, n)
    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    key = extract(secret, b"secret", b"")
    return expand(key, b"key", context, 32), expand(key, b"base_nonce", context, 12)


def hpke_seal(public, info, plain, randomness):
    secret, enc = xwing_encapsulate(public, randomness)
    key, nonce = _schedule(secret, info)
    return enc + aead_seal(key, nonce, b"", plain)


def hpke_open(seed, info, wrap):
    """The plain text, or None when the wrap is not for this key and info."""
    key, nonce = _schedule(xwing_decapsulate(seed, wrap[:1120]), info)
    return aead_open(key, nonce, b"", wrap[1120:])
