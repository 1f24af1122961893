package sdp

import (
	"testing"

	"github.com/pion/srtp/v2"
)

func TestParseSuite(t *testing.T) {
	for _, tt := range []struct {
		name string
		want Suite // 0: none
	}{
		{"AES_CM_128_HMAC_SHA1_80", srtp.ProtectionProfileAes128CmHmacSha1_80},
		{"AES_CM_128_HMAC_SHA1_32", srtp.ProtectionProfileAes128CmHmacSha1_32},
		{"AES_256_CM_HMAC_SHA1_80", srtp.ProtectionProfileAes256CmHmacSha1_80},
		{"AES_CM_256_HMAC_SHA1_80", srtp.ProtectionProfileAes256CmHmacSha1_80},
		{"AES_256_CM_HMAC_SHA1_32", srtp.ProtectionProfileAes256CmHmacSha1_32},
		{"AES_CM_256_HMAC_SHA1_32", srtp.ProtectionProfileAes256CmHmacSha1_32},
		{"AEAD_AES_128_GCM", srtp.ProtectionProfileAeadAes128Gcm},
		{"AEAD_AES_256_GCM", srtp.ProtectionProfileAeadAes256Gcm},
		{"aes_cm_128_hmac_sha1_80", srtp.ProtectionProfileAes128CmHmacSha1_80},
		{"AES_192_CM_HMAC_SHA1_80", 0},
		{"AEAD_AES_256_GCM_8", 0},
		{"F8_128_HMAC_SHA1_80", 0},
		{"NULL_HMAC_SHA1_80", 0},
		{"", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := ParseSuite(tt.name); got != tt.want || ok != (tt.want != 0) {
				t.Errorf("got %v, %t", got, ok)
			}
		})
	}
}

// The sizes of our table must be those of the transform.
func TestSuitesAgreeWithPion(t *testing.T) {
	if len(Suites()) != 6 {
		t.Fatalf("%d suites", len(Suites()))
	}
	for _, suite := range Suites() {
		key, err := suite.KeyLen()
		if err != nil {
			t.Fatal(err)
		}
		salt, err := suite.SaltLen()
		if err != nil {
			t.Fatal(err)
		}
		if got := keySize(suite); got != key+salt {
			t.Errorf("%s: %d bytes, want %d", SuiteName(suite), got, key+salt)
		}
		if back, ok := ParseSuite(SuiteName(suite)); !ok || back != suite {
			t.Errorf("%s reads back as %v", SuiteName(suite), back)
		}
	}
	if SuiteName(srtp.ProtectionProfileNullHmacSha1_80) != "" || keySize(srtp.ProtectionProfileNullHmacSha1_80) != 0 {
		t.Error("the null cipher is a suite of ours")
	}
}
