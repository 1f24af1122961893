package sdp

import "io"

// Crypto is one a=crypto line (RFC 4568 section 4).
type Crypto struct {
	Tag      string
	Suite    Suite
	Name     string // the suite's name as offered
	Key      Secret
	Lifetime uint64 // packets, 0 when the line names none
	MKI      []byte // MKILen bytes, big endian; nil without MKI
	MKILen   int    // bytes
}

// NewCrypto makes a line of our own with a fresh key.
func NewCrypto(tag int, suite Suite, random io.Reader) (Crypto, error) { return Crypto{}, ErrNoSuite }

// NewOfferKeys makes one line per suite, tags from 1, each with its own key.
func NewOfferKeys(suites []Suite, random io.Reader) ([]Crypto, error) { return nil, ErrNoSuite }

// NewAnswerKey makes the line that answers chosen: its tag and suite name as
// offered, a fresh key of our own (RFC 4568 section 5.1.2).
func NewAnswerKey(chosen Crypto, random io.Reader) (Crypto, error) { return Crypto{}, ErrNoSuite }

// ParseCrypto takes the value after "a=crypto:".
func ParseCrypto(value string) (Crypto, error) { return Crypto{}, ErrNoSuite }

// Line writes the whole line, "a=crypto:..." without CRLF.
func (c Crypto) Line() string { return "" }
