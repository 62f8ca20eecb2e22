"""Signatures with Python's standard library alone: RS512 assertions from an RSA key in PEM, and requests to S3 (SigV4)."""

import base64
import datetime
import hashlib
import hmac
import json
import time
import urllib.parse
import uuid

# What stands before a SHA-512 digest in an RSA signature (RFC 8017 section 9.2).
SHA512 = bytes.fromhex("3051300d060960864801650304020305000440")


class KeyProblem(Exception):
    """A private key that cannot be used."""


def element(data, at=0):
    """Tag, content and end of the DER element at a place."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    return tag, data[start : start + length], start + length


def elements(data):
    """Contents of the elements of a sequence."""
    found, at = [], 0
    while at < len(data):
        tag, content, at = element(data, at)
        found.append((tag, content))
    return found


def read_key(path):
    """Modulus and private exponent of an RSA key (PKCS#8 or PKCS#1, PEM)."""
    try:
        text = open(path, encoding="ascii").read()
        kind = text.split("-----")[1]
        body = "".join(text.split("-----")[2].split())
        _, content, _ = element(base64.b64decode(body))
        if kind == "BEGIN PRIVATE KEY":
            _, content, _ = element(elements(content)[2][1])
        elif kind != "BEGIN RSA PRIVATE KEY":
            raise KeyProblem(f"{path} is '{kind}', not an RSA private key without a password")
        numbers = [int.from_bytes(value, "big") for tag, value in elements(content) if tag == 2]
        return numbers[1], numbers[3]
    except (OSError, IndexError, ValueError) as error:
        raise KeyProblem(f"{path}: {error}") from error


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def assertion(key, client, kid, audience, seconds=240, jti=None):
    """A signed assertion of an application for a token URL."""
    modulus, exponent = key
    now = int(time.time())
    claims = {"iss": client, "sub": client, "aud": audience, "iat": now, "exp": now + seconds, "jti": jti or str(uuid.uuid4())}
    head = {"alg": "RS512", "typ": "JWT", "kid": kid}
    text = ".".join(url64(json.dumps(part).encode()) for part in (head, claims))
    size = (modulus.bit_length() + 7) // 8
    tail = b"\x00" + SHA512 + hashlib.sha512(text.encode()).digest()
    padded = b"\x00\x01" + b"\xff" * (size - len(tail) - 2) + tail
    signed = pow(int.from_bytes(padded, "big"), exponent, modulus)
    return f"{text}.{url64(signed.to_bytes(size, 'big'))}"


def s3_headers(method, url, body, access, secret, region):
    """Headers that sign a request to S3 (AWS Signature Version 4)."""
    parts = urllib.parse.urlsplit(url)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": now}
    names = ";".join(sorted(headers))
    pairs = sorted(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    query = "&".join(f"{urllib.parse.quote(k, safe='')}={urllib.parse.quote(v, safe='')}" for k, v in pairs)
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join([method, parts.path, query, lines, names, digest])
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    del headers["host"]
    credential = f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return {**headers, "Authorization": credential}
