package sdp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/pion/srtp/v2"
)

func decode(t testing.TB, text string) Secret {
	t.Helper()
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestParseCrypto(t *testing.T) {
	const suite = srtp.ProtectionProfileAes128CmHmacSha1_80
	key := decode(t, key30)
	for _, tt := range []struct {
		name, value string
		want        Crypto
	}{
		{"Asterisk", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30,
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key}},
		{"tag 0", "0 AES_CM_128_HMAC_SHA1_80 inline:" + key30,
			Crypto{Tag: "0", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key}},
		{"tag of nine digits", "999999999 AES_CM_128_HMAC_SHA1_80 inline:" + key30,
			Crypto{Tag: "999999999", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key}},
		{"any case, any space", " 1\tAes_cm_128_hmac_sha1_80  INLINE:" + key30 + " ",
			Crypto{Tag: "1", Suite: suite, Name: "Aes_cm_128_hmac_sha1_80", Key: key}},
		{"lifetime as a power", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^31",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key, Lifetime: 1 << 31}},
		{"lifetime as a number", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|1048576",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key, Lifetime: 1048576}},
		{"longest lifetime", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^48",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key, Lifetime: 1 << 48}},
		{"lifetime and MKI", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^31|1:4",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key, Lifetime: 1 << 31, MKI: []byte{0, 0, 0, 1}, MKILen: 4}},
		{"MKI alone", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|258:2",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key, MKI: []byte{1, 2}, MKILen: 2}},
		{"longest MKI", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|7:128",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key, MKI: append(make([]byte, 127), 7), MKILen: 128}},
		{"padded 256", "1 AES_256_CM_HMAC_SHA1_80 inline:" + key46 + "==",
			Crypto{Tag: "1", Suite: srtp.ProtectionProfileAes256CmHmacSha1_80, Name: "AES_256_CM_HMAC_SHA1_80", Key: decode(t, key46)}},
		{"draft's name, no padding", "2 AES_CM_256_HMAC_SHA1_80 inline:" + key46 + "|2^31",
			Crypto{Tag: "2", Suite: srtp.ProtectionProfileAes256CmHmacSha1_80, Name: "AES_CM_256_HMAC_SHA1_80", Key: decode(t, key46), Lifetime: 1 << 31}},
		{"GCM 128", "3 AEAD_AES_128_GCM inline:" + key28 + "==",
			Crypto{Tag: "3", Suite: srtp.ProtectionProfileAeadAes128Gcm, Name: "AEAD_AES_128_GCM", Key: decode(t, key28)}},
		{"GCM 256", "4 AEAD_AES_256_GCM inline:" + key44,
			Crypto{Tag: "4", Suite: srtp.ProtectionProfileAeadAes256Gcm, Name: "AEAD_AES_256_GCM", Key: decode(t, key44)}},
		{"harmless parameters", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " WSH=128 FEC_ORDER=FEC_SRTP -UNKNOWN=1 -x",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: key}},
		{"RFC 4568's first example", "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: decode(t, "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"),
				Lifetime: 1 << 20, MKI: append(make([]byte, 31), 1), MKILen: 32}},
		{"RFC 4568's MKI without lifetime", "1 AES_CM_128_HMAC_SHA1_80 inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: decode(t, "YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2"),
				MKI: []byte{0, 0, 4, 42}, MKILen: 4}},
		{"RFC 4568's example with FEC", "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP",
			Crypto{Tag: "1", Suite: suite, Name: "AES_CM_128_HMAC_SHA1_80", Key: decode(t, "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"),
				Lifetime: 1 << 20, MKI: []byte{0, 0, 0, 1}, MKILen: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseCrypto(tt.value)
			if err != nil || !reflect.DeepEqual(got, tt.want) || !bytes.Equal(got.Key, tt.want.Key) {
				t.Fatalf("got %+v, %v", got, err)
			}
			back, err := ParseCrypto(strings.TrimPrefix(got.Line(), "a=crypto:"))
			if err != nil || !reflect.DeepEqual(back, got) {
				t.Errorf("reads back as %+v, %v", back, err)
			}
		})
	}
}

func TestParseCryptoRefuses(t *testing.T) {
	const good = "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30
	for _, tt := range []struct {
		name, value string
		want        error
	}{
		{"empty", "", ErrSyntax},
		{"no key", "1 AES_CM_128_HMAC_SHA1_80", ErrSyntax},
		{"no tag", "AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " WSH=64", ErrSyntax},
		{"tag of ten digits", "1000000000 AES_CM_128_HMAC_SHA1_80 inline:" + key30, ErrSyntax},
		{"negative tag", "-1 AES_CM_128_HMAC_SHA1_80 inline:" + key30, ErrSyntax},
		{"unknown suite", "1 AES_192_CM_HMAC_SHA1_80 inline:" + key30, ErrNoSuite},
		{"key for a suite", "1 " + key30 + " inline:" + key30, ErrNoSuite},
		{"key after the family's name", "1 AES_" + key30 + " inline:" + key30, ErrNoSuite},
		{"key with inline for a suite", "1 inline:" + key30 + " x", ErrNoSuite},
		{"other key method", "1 AES_CM_128_HMAC_SHA1_80 uri:" + key30, ErrNoSuite},
		{"stray space", "1 AES_CM_128_HMAC_SHA1_80 inline: " + key30, ErrSyntax},
		{"stray space before the key's end", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " " + key30, ErrNoSuite},
		{"no base64", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "!", ErrSyntax},
		{"base64 for URLs", "1 AES_CM_128_HMAC_SHA1_80 inline:--__" + key30[4:], ErrSyntax},
		{"short key", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30[:36], ErrSyntax},
		{"key of another suite", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key46, ErrSyntax},
		{"three pads", "1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "===", ErrSyntax},
		{"two keys", good + "|2^20|1:4;inline:" + key30 + "|2^20|2:4", ErrNoSuite},
		{"empty lifetime", good + "|", ErrSyntax},
		{"no packets", good + "|0", ErrSyntax},
		{"signed lifetime", good + "|+5", ErrSyntax},
		{"lifetime 2^49", good + "|2^49", ErrSyntax},
		{"lifetime 2^64", good + "|2^64", ErrSyntax},
		{"lifetime 2^x", good + "|2^x", ErrSyntax},
		{"lifetime above 2^48", good + "|281474976710657", ErrSyntax},
		{"lifetime of no number", good + "|" + key30, ErrSyntax},
		{"MKI before lifetime", good + "|1:4|2^31", ErrSyntax},
		{"two lifetimes", good + "|2^31|2^31", ErrSyntax},
		{"something after MKI", good + "|2^31|1:4|", ErrSyntax},
		{"MKI of no bytes", good + "|1:0", ErrSyntax},
		{"MKI of 129 bytes", good + "|1:129", ErrSyntax},
		{"MKI too great", good + "|256:1", ErrSyntax},
		{"MKI of no number", good + "|x:1", ErrSyntax},
		{"MKI of a thousand digits", good + "|" + strings.Repeat("9", 1000) + ":128", ErrSyntax},
		{"UNENCRYPTED_SRTP", good + " UNENCRYPTED_SRTP", ErrNoSuite},
		{"UNENCRYPTED_SRTCP", good + " unencrypted_srtcp", ErrNoSuite},
		{"UNAUTHENTICATED_SRTP", good + " UNAUTHENTICATED_SRTP", ErrNoSuite},
		{"KDR", good + " KDR=10", ErrNoSuite},
		{"FEC after SRTP", good + " FEC_ORDER=SRTP_FEC", ErrNoSuite},
		{"FEC_KEY", good + " FEC_KEY=inline:" + key30, ErrNoSuite},
		{"window below 64", good + " WSH=63", ErrSyntax},
		{"window of no number", good + " WSH=wide", ErrSyntax},
		{"unknown parameter", good + " FRESH=1", ErrNoSuite},
		{"RFC 4568's F8 line with two keys", "2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:32;" +
			"inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:32", ErrNoSuite},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseCrypto(tt.value)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, %v, want %v", c, err, tt.want)
			}
			// No piece of the key, either.
			for i := 0; i+8 <= len(key30); i++ {
				if strings.Contains(err.Error(), key30[i:i+8]) {
					t.Fatal("the error holds the key")
				}
			}
			if c.Key != nil {
				t.Error("a refused line still has its key")
			}
		})
	}
}

func TestNewCrypto(t *testing.T) {
	c, err := NewCrypto(0, srtp.ProtectionProfileAes256CmHmacSha1_32, randomFrom(3))
	if err != nil || c.Tag != "0" || len(c.Key) != 46 {
		t.Fatal(c, err)
	}
	if want := "a=crypto:0 AES_256_CM_HMAC_SHA1_32 inline:" + base64.StdEncoding.EncodeToString(c.Key); c.Line() != want {
		t.Error("the line is not what Asterisk takes")
	}
	for _, tt := range []struct {
		name   string
		tag    int
		suite  Suite
		random io.Reader
		want   error
	}{
		{"tag below 0", -1, srtp.ProtectionProfileAeadAes128Gcm, randomFrom(1), ErrSyntax},
		{"tag of ten digits", 1_000_000_000, srtp.ProtectionProfileAeadAes128Gcm, randomFrom(1), ErrSyntax},
		{"null cipher", 1, srtp.ProtectionProfileNullHmacSha1_80, randomFrom(1), ErrNoSuite},
		{"random ends", 1, srtp.ProtectionProfileAeadAes128Gcm, strings.NewReader("short"), io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if c, err := NewCrypto(tt.tag, tt.suite, tt.random); !errors.Is(err, tt.want) || c.Key != nil {
				t.Error(c, err)
			}
		})
	}
}

func TestEveryLineHasItsOwnKey(t *testing.T) {
	offered := keys(t)
	for i, c := range offered {
		for _, other := range offered[:i] {
			if bytes.Equal(c.Key, other.Key) || bytes.HasPrefix(c.Key, other.Key) || c.Tag == other.Tag {
				t.Errorf("lines %s and %s share", c.Tag, other.Tag)
			}
		}
	}
	if _, err := NewOfferKeys(Suites(), strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func TestNewAnswerKey(t *testing.T) {
	chosen, err := ParseCrypto("123456789 aes_cm_256_hmac_sha1_80 inline:" + key46 + "|2^31|1:4")
	if err != nil {
		t.Fatal(err)
	}
	own, err := NewAnswerKey(chosen, randomFrom(4))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(own.Line(), "a=crypto:123456789 aes_cm_256_hmac_sha1_80 inline:") {
		t.Error("tag or name is not as offered")
	}
	if bytes.Equal(own.Key, chosen.Key) || own.MKILen != 0 || own.Lifetime != 0 || strings.Contains(own.Line(), "|") {
		t.Error("key, lifetime or MKI is the remote's")
	}
	if _, err := NewAnswerKey(Crypto{}, randomFrom(4)); !errors.Is(err, ErrNoSuite) {
		t.Error(err)
	}
}
