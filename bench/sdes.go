package bench

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/pion/srtp/v2"
)

// Suite is an SRTP suite.
type Suite = srtp.ProtectionProfile

// suites maps the names of RFC 4568 section 6.2, RFC 6188 and RFC 7714 to
// pion's profiles, in order of preference.
var suites = []struct {
	name  string
	suite Suite
}{
	{"AEAD_AES_256_GCM", srtp.ProtectionProfileAeadAes256Gcm},
	{"AEAD_AES_128_GCM", srtp.ProtectionProfileAeadAes128Gcm},
	{"AES_256_CM_HMAC_SHA1_80", srtp.ProtectionProfileAes256CmHmacSha1_80},
	{"AES_256_CM_HMAC_SHA1_32", srtp.ProtectionProfileAes256CmHmacSha1_32},
	{"AES_CM_128_HMAC_SHA1_80", srtp.ProtectionProfileAes128CmHmacSha1_80},
	{"AES_CM_128_HMAC_SHA1_32", srtp.ProtectionProfileAes128CmHmacSha1_32},
}

// DefaultSuite is the one that every SDES endpoint has (RFC 4568, section 6.2.1).
const DefaultSuite = srtp.ProtectionProfileAes128CmHmacSha1_80

// SuiteName is the suite's name in a crypto line; "none" for no suite.
func SuiteName(s Suite) string {
	for _, row := range suites {
		if row.suite == s {
			return row.name
		}
	}
	return "none"
}

// ParseSuite finds the suite of that name.
func ParseSuite(name string) (Suite, bool) {
	for _, row := range suites {
		if row.name == name {
			return row.suite, true
		}
	}
	return 0, false
}

// SuiteNames are those of all suites, the strongest first.
func SuiteNames() (names []string) {
	for _, row := range suites {
		names = append(names, row.name)
	}
	return names
}

// key is a master key and salt. It prints REDACTED.
type key []byte

func (key) String() string               { return "REDACTED" }
func (key) GoString() string             { return "REDACTED" }
func (key) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte("REDACTED")) }
func (key) LogValue() slog.Value         { return slog.StringValue("REDACTED") }
func (key) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// crypto is one a=crypto line.
type crypto struct {
	Tag   int
	Suite Suite
	Key   key // exported, or fmt would print it without asking it
}

// secure tells whether there is a key at all.
func (c crypto) secure() bool { return len(c.Key) > 0 }

func keyLengths(s Suite) (keyLen, saltLen int, err error) {
	if keyLen, err = s.KeyLen(); err != nil {
		return 0, 0, err
	}
	saltLen, err = s.SaltLen()
	return keyLen, saltLen, err
}

// newCrypto makes a line with a fresh key.
func newCrypto(tag int, s Suite) (crypto, error) {
	k, salt, err := keyLengths(s)
	if err != nil {
		return crypto{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	c := crypto{Tag: tag, Suite: s, Key: make(key, k+salt)}
	_, _ = rand.Read(c.Key) // never fails (crypto/rand)
	return c, nil
}

// parseCrypto reads the value of an a=crypto line (RFC 4568, section 9.1):
// tag, suite, inline:key with an optional lifetime. Errors hold no key.
func parseCrypto(value string) (crypto, error) {
	fields := strings.Fields(value)
	if len(fields) < 3 {
		return crypto{}, fmt.Errorf("%w: too few fields", ErrKey)
	}
	tag, err := strconv.Atoi(fields[0])
	if err != nil || tag < 0 {
		return crypto{}, fmt.Errorf("%w: bad tag", ErrKey)
	}
	suite, ok := ParseSuite(fields[1])
	if !ok {
		return crypto{}, fmt.Errorf("%w: unknown suite %.40q", ErrKey, fields[1])
	}
	inline, ok := strings.CutPrefix(fields[2], "inline:")
	if !ok {
		return crypto{}, fmt.Errorf("%w: no inline key", ErrKey)
	}
	inline, _, _ = strings.Cut(inline, "|")
	secret, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(inline, "="))
	if err != nil {
		return crypto{}, fmt.Errorf("%w: key is not base64", ErrKey)
	}
	k, salt, err := keyLengths(suite)
	if err != nil || len(secret) != k+salt {
		return crypto{}, fmt.Errorf("%w: key of %d bytes", ErrKey, len(secret))
	}
	return crypto{Tag: tag, Suite: suite, Key: secret}, nil
}

// line writes the value of an a=crypto line, key included.
func (c crypto) line() string {
	return fmt.Sprintf("%d %s inline:%s", c.Tag, SuiteName(c.Suite), base64.StdEncoding.EncodeToString(c.Key))
}

// context makes pion's context of the key. Replays are counted by the
// receiver from the stamps, so pion shall let them through.
func (c crypto) context() (*srtp.Context, error) {
	if !c.secure() {
		return nil, nil
	}
	n, _, err := keyLengths(c.Suite)
	if err != nil || len(c.Key) < n {
		return nil, fmt.Errorf("%w: wrong length", ErrKey)
	}
	ctx, err := srtp.CreateContext(c.Key[:n], c.Key[n:], c.Suite, srtp.SRTPNoReplayProtection())
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrKey, SuiteName(c.Suite)) // pion's own error may print the key
	}
	return ctx, nil
}
