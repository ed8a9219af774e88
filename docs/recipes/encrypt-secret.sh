#!/usr/bin/env bash
# Makes the envelope of one secret with OpenSSL 3 alone:  encrypt-secret.sh <public-key.pem> < secret > envelope.json
#
# OpenSSL's command line wraps the key (RSA-OAEP, SHA-256) and encrypts (AES-256 in counter mode), but has no GCM. So the
# tag, and the first counter that GCM derives from a nonce of 16 bytes, are computed here: GHASH of NIST SP 800-38D.
set -euo pipefail
public_key=$1

aes_block() { # one block of hex, encrypted under the key
  printf '%b' "$(sed 's/../\\x&/g' <<<"$1")" | openssl enc -aes-256-ecb -nopad -K "$key" | hex
}
hex() { od -An -v -tx1 | tr -d ' \n'; }
bytes() { printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"; }
xor() { printf '%016x%016x' $((0x${1:0:16} ^ 0x${2:0:16})) $((0x${1:16} ^ 0x${2:16})); }

# The product of two blocks in GF(2^128), in two halves of 64 bits.
multiply() {
  local -i xh=0x${1:0:16} xl=0x${1:16} vh=0x${2:0:16} vl=0x${2:16} zh=0 zl=0 bit carry
  for ((bit = 0; bit < 128; bit++)); do
    if ((bit < 64 ? (xh >> (63 - bit)) & 1 : (xl >> (127 - bit)) & 1)); then zh=$((zh ^ vh)) zl=$((zl ^ vl)); fi
    carry=$((vl & 1))
    vl=$(((vl >> 1 & 0x7fffffffffffffff) | (vh & 1) << 63))
    vh=$((vh >> 1 & 0x7fffffffffffffff))
    if ((carry)); then vh=$((vh ^ 0xe1 << 56)); fi
  done
  printf '%016x%016x' "$zh" "$zl"
}
# GHASH of hex of any length, which is followed by its length in bits.
ghash() {
  local text=$1 sum=00000000000000000000000000000000 block at
  for ((at = 0; at < ${#text}; at += 32)); do
    block=${text:at:32}
    sum=$(multiply "$(xor "$sum" "$(printf '%-32s' "$block" | tr ' ' 0)")" "$h")
  done
  multiply "$(xor "$sum" "$(printf '%032x' $((${#text} * 4)))")" "$h"
}

secret=$(hex)
key=$(openssl rand -hex 32)
h=$(aes_block 00000000000000000000000000000000)
blocks=$((${#secret} / 32 + 2))
while :; do
  nonce=$(openssl rand -hex 16)
  j0=$(ghash "$nonce")
  first=$((0x${j0:24} + 1))
  # GCM's counter wraps at 32 bits, OpenSSL's does not: another nonce in the rare case that it would.
  if ((first + blocks < 1 << 32)); then break; fi
done
counter=${j0:0:24}$(printf '%08x' "$first")
ciphertext=$(bytes "$secret" | openssl enc -aes-256-ctr -K "$key" -iv "$counter" | hex)
tag=$(xor "$(ghash "$ciphertext")" "$(aes_block "$j0")")

wrapped=$(bytes "$key" | openssl pkeyutl -encrypt -pubin -inkey "$public_key" \
  -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 | openssl base64 -A)
printf '{"encryptedData":"%s","encryptedDEK":"%s","algorithm":"rsa-aes-256-gcm","version":1}\n' \
  "$(bytes "$nonce$ciphertext$tag" | openssl base64 -A)" "$wrapped"
