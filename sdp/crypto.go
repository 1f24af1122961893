package sdp

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
)

// Crypto is one a=crypto line (RFC 4568 section 4).
type Crypto struct {
	Tag      string // 1 to 9 digits, as offered
	Suite    Suite
	Name     string // the suite's name as offered
	Key      Secret
	Lifetime uint64 // packets, 0 when the line names none
	MKI      []byte // MKILen bytes, big endian; nil without MKI
	MKILen   int    // bytes that the sender puts into each packet, 0 for none
}

const (
	maxTag       = 999_999_999     // 9 digits, RFC 4568 section 9.1
	maxLifetime  = uint64(1) << 48 // RFC 3711 section 9.2
	maxMKI       = 128             // bytes, RFC 4568 section 6.1
	maxMKIDigits = 309             // of a number of 128 bytes
)

// NewCrypto makes a line of our own with a fresh key: no lifetime, no MKI, no
// session parameters, which is what Asterisk takes. The tag is 0 to
// 999999999. It fails with ErrNoSuite for a suite that is not ours, or with
// the error of random.
func NewCrypto(tag int, suite Suite, random io.Reader) (Crypto, error) {
	if tag < 0 || tag > maxTag {
		return Crypto{}, fmt.Errorf("%w: crypto tag %d", ErrSyntax, tag)
	}
	key, err := newKey(suite, random)
	if err != nil {
		return Crypto{}, err
	}
	return Crypto{Tag: strconv.Itoa(tag), Suite: suite, Name: SuiteName(suite), Key: key}, nil
}

// NewOfferKeys makes one line per suite, tags from 1, each with its own key.
func NewOfferKeys(suites []Suite, random io.Reader) ([]Crypto, error) {
	lines := make([]Crypto, len(suites))
	for i, suite := range suites {
		c, err := NewCrypto(i+1, suite, random)
		if err != nil {
			return nil, err
		}
		lines[i] = c
	}
	return lines, nil
}

// NewAnswerKey makes the line that answers chosen: its tag and suite name as
// offered, a fresh key of our own (RFC 4568 section 5.1.2). Lifetime and MKI
// are each side's own, so ours has none.
func NewAnswerKey(chosen Crypto, random io.Reader) (Crypto, error) {
	key, err := newKey(chosen.Suite, random)
	if err != nil {
		return Crypto{}, err
	}
	return Crypto{Tag: chosen.Tag, Suite: chosen.Suite, Name: chosen.Name, Key: key}, nil
}

func newKey(suite Suite, random io.Reader) (Secret, error) {
	size := keySize(suite)
	if size == 0 {
		return nil, fmt.Errorf("%w: no suite of ours: %#04x", ErrNoSuite, uint16(suite))
	}
	key := make(Secret, size)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("sdp: master key: %w", err)
	}
	return key, nil
}

// Line writes the whole line, "a=crypto:..." without CRLF. It is the one place
// that writes a key.
func (c Crypto) Line() string {
	var b strings.Builder
	// RFC 4568 section 6.1 pads base64 as RFC 3548 does.
	fmt.Fprintf(&b, "a=crypto:%s %s inline:%s", c.Tag, c.Name, base64.StdEncoding.EncodeToString(c.Key))
	if c.Lifetime != 0 {
		fmt.Fprintf(&b, "|%d", c.Lifetime)
	}
	if c.MKILen != 0 {
		fmt.Fprintf(&b, "|%s:%d", new(big.Int).SetBytes(c.MKI), c.MKILen)
	}
	return b.String()
}

// ParseCrypto takes the value after "a=crypto:". An error means that this line
// cannot be used, not that the description is broken: ErrNoSuite for what is
// legal but not for us, ErrSyntax for the rest. No error contains any part of
// the line that could be a key.
func ParseCrypto(value string) (Crypto, error) {
	// RFC 4568 section 9.1: tag, suite, key parameters, session parameters.
	fields := strings.Fields(value)
	if len(fields) < 3 {
		return Crypto{}, fmt.Errorf("%w: crypto: want tag, suite and key", ErrSyntax)
	}
	c := Crypto{Tag: fields[0], Name: fields[1]}
	if len(c.Tag) > 9 || !isDigits(c.Tag) {
		return Crypto{}, fmt.Errorf("%w: crypto tag: want 1 to 9 digits", ErrSyntax)
	}
	err := c.parseSuite()
	if err == nil {
		err = c.parseKeys(fields[2])
	}
	for i := 3; err == nil && i < len(fields); i++ {
		err = checkSession(fields[i])
	}
	if err != nil {
		return Crypto{}, fmt.Errorf("crypto tag %s: %w", c.Tag, err)
	}
	return c, nil
}

func (c *Crypto) parseSuite() error {
	suite, ok := ParseSuite(c.Name)
	if !ok {
		return fmt.Errorf("%w: unknown suite%s", ErrNoSuite, quoteSuite(c.Name))
	}
	c.Suite = suite
	return nil
}

// quoteSuite quotes a suite's name for an error if it is surely no key in the
// wrong place.
func quoteSuite(name string) string {
	for _, family := range []string{"AES_", "AEAD_", "F8_", "ARIA_", "SEED_", "NULL_", "DOUBLE_"} {
		if strings.HasPrefix(name, family) && len(name) <= 34 && !strings.ContainsAny(name, "+/=|:") {
			return " " + name
		}
	}
	return ""
}

// parseKeys reads "inline:" key and salt, lifetime, MKI (RFC 4568 section
// 6.1). A line with several keys is refused: its sender may use any of them,
// and change over by MKI at any packet; a context holds one key, so taking the
// first would lose the audio of the others without a word.
func (c *Crypto) parseKeys(params string) error {
	if strings.Contains(params, ";") {
		return fmt.Errorf("%w: several keys", ErrNoSuite)
	}
	method, info, _ := strings.Cut(params, ":")
	if !strings.EqualFold(method, "inline") {
		return fmt.Errorf("%w: want the key method inline", ErrNoSuite)
	}
	parts := strings.Split(info, "|")
	if err := c.parseKey(parts[0]); err != nil {
		return err
	}
	parts = parts[1:]
	if len(parts) > 0 && !strings.Contains(parts[0], ":") {
		if err := c.parseLifetime(parts[0]); err != nil {
			return err
		}
		parts = parts[1:]
	}
	if len(parts) > 0 {
		if err := c.parseMKI(parts[0]); err != nil {
			return err
		}
		parts = parts[1:]
	}
	if len(parts) > 0 {
		return fmt.Errorf("%w: lifetime precedes MKI, and nothing follows it", ErrSyntax)
	}
	return nil
}

// parseKey takes base64 with or without padding.
func (c *Crypto) parseKey(text string) error {
	bare := strings.TrimRight(text, "=")
	key, err := base64.RawStdEncoding.DecodeString(bare)
	if err != nil || len(text)-len(bare) > 2 {
		return fmt.Errorf("%w: the key is no base64", ErrSyntax)
	}
	if want := keySize(c.Suite); len(key) != want {
		return fmt.Errorf("%w: key and salt of %d bytes, %s has %d", ErrSyntax, len(key), SuiteName(c.Suite), want)
	}
	c.Key = key
	return nil
}

// parseLifetime takes "2^31" or "1048576".
func (c *Crypto) parseLifetime(text string) error {
	var packets uint64
	if power, ok := strings.CutPrefix(text, "2^"); ok {
		if n, err := strconv.ParseUint(power, 10, 8); err == nil {
			packets = 1 << n // 0 from 2^64 on
		}
	} else if n, err := strconv.ParseUint(text, 10, 64); err == nil && isDigits(text) {
		packets = n
	}
	if packets == 0 || packets > maxLifetime {
		return fmt.Errorf("%w: lifetime: want 1 to 2^48 packets", ErrSyntax)
	}
	c.Lifetime = packets
	return nil
}

// parseMKI takes "1:4": the number, and how many bytes of each packet hold it.
func (c *Crypto) parseMKI(text string) error {
	number, size, ok := strings.Cut(text, ":")
	n, err := strconv.ParseUint(size, 10, 8)
	if !ok || err != nil || n == 0 || n > maxMKI || !isDigits(number) || len(number) > maxMKIDigits {
		return fmt.Errorf("%w: MKI: want a number and its length, 1 to %d bytes", ErrSyntax, maxMKI)
	}
	mki, _ := new(big.Int).SetString(number, 10)
	if mki.BitLen() > int(n)*8 {
		return fmt.Errorf("%w: MKI does not fit its %d bytes", ErrSyntax, n)
	}
	c.MKI, c.MKILen = mki.FillBytes(make([]byte, n)), int(n)
	return nil
}

// checkSession judges one session parameter (RFC 4568 section 6.3). Our
// transform is the default one: whatever asks for another refuses the line.
func checkSession(param string) error {
	name, value, _ := strings.Cut(param, "=")
	switch strings.ToUpper(name) {
	case "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP":
		return fmt.Errorf("%w: %s", ErrNoSuite, strings.ToUpper(name))
	case "KDR": // section 6.3.1: a rate must be kept by both sides, we derive once
		return fmt.Errorf("%w: KDR", ErrNoSuite)
	case "FEC_ORDER": // section 6.3.4: FEC before SRTP is the default
		if !strings.EqualFold(value, "FEC_SRTP") {
			return fmt.Errorf("%w: FEC_ORDER", ErrNoSuite)
		}
		return nil
	case "FEC_KEY": // section 6.3.5: a second key
		return fmt.Errorf("%w: FEC_KEY", ErrNoSuite)
	case "WSH": // section 6.3.6: a hint, at least 64
		if n, err := strconv.ParseUint(value, 10, 16); err != nil || n < 64 {
			return fmt.Errorf("%w: WSH: want 64 or more", ErrSyntax)
		}
		return nil
	}
	if strings.HasPrefix(param, "-") { // section 6.3.7: may be ignored
		return nil
	}
	// Not quoted: it may be the key, after a stray space.
	return fmt.Errorf("%w: unknown session parameter", ErrNoSuite)
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
