package sdp

import (
	"strings"

	"github.com/pion/srtp/v2"
)

// Suite is an SRTP crypto suite.
type Suite = srtp.ProtectionProfile

// The suites by preference, with their registered names and sizes. The first
// name is the one we write.
var suites = []struct {
	suite Suite
	names []string
	size  int // master key and master salt, bytes
}{
	// RFC 7714.
	{srtp.ProtectionProfileAeadAes256Gcm, []string{"AEAD_AES_256_GCM"}, 32 + 12},
	{srtp.ProtectionProfileAeadAes128Gcm, []string{"AEAD_AES_128_GCM"}, 16 + 12},
	// RFC 6188 and its draft; RFC 4568 section 6.2.
	{srtp.ProtectionProfileAes256CmHmacSha1_80, []string{"AES_256_CM_HMAC_SHA1_80", "AES_CM_256_HMAC_SHA1_80"}, 32 + 14},
	{srtp.ProtectionProfileAes128CmHmacSha1_80, []string{"AES_CM_128_HMAC_SHA1_80"}, 16 + 14},
	{srtp.ProtectionProfileAes256CmHmacSha1_32, []string{"AES_256_CM_HMAC_SHA1_32", "AES_CM_256_HMAC_SHA1_32"}, 32 + 14},
	{srtp.ProtectionProfileAes128CmHmacSha1_32, []string{"AES_CM_128_HMAC_SHA1_32"}, 16 + 14},
}

// ParseSuite takes a suite's name of RFC 4568, 6188 or 7714, in any case, and
// the names of drafts that are still on the wire.
func ParseSuite(name string) (Suite, bool) {
	for _, s := range suites {
		for _, n := range s.names {
			if strings.EqualFold(n, name) {
				return s.suite, true
			}
		}
	}
	return 0, false
}

// SuiteName is the registered name, or "" for a suite that is not ours.
func SuiteName(suite Suite) string {
	for _, s := range suites {
		if s.suite == suite {
			return s.names[0]
		}
	}
	return ""
}

// Suites are all suites, the preferred one first.
func Suites() []Suite {
	all := make([]Suite, len(suites))
	for i, s := range suites {
		all[i] = s.suite
	}
	return all
}

// gcm tells whether a suite is one of RFC 7714.
func gcm(s Suite) bool {
	return s == srtp.ProtectionProfileAeadAes128Gcm || s == srtp.ProtectionProfileAeadAes256Gcm
}

// keySize is the length of a suite's master key and salt in bytes, 0 for a
// suite that is not ours.
func keySize(suite Suite) int {
	for _, s := range suites {
		if s.suite == suite {
			return s.size
		}
	}
	return 0
}
