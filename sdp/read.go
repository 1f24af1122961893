package sdp

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ReadOffer chooses the audio line of an offer that the mode likes best, and
// its first crypto line that can be used: the offer's order is the remote's
// preference (RFC 4568 section 5.1.1). Of twins it takes RTP/SAVP before
// RTP/AVP with crypto lines before plain RTP/AVP, with Off plain RTP/AVP only.
// accept are the suites that may be used, all of them if empty.
//
// Errors: ErrNoAudio, ErrProfile, ErrNoSuite, ErrPlain, ErrSyntax.
func ReadOffer(offer *Description, mode Mode, accept []Suite) (Stream, error) {
	var best Stream
	var fault error
	rank := 0
	for i := range offer.media {
		m := &offer.media[i]
		if !m.isAudio() {
			continue
		}
		s, r, err := offer.readOffered(i, mode, accept)
		switch {
		case err != nil:
			fault = tellingError(fault, err)
		case r > rank:
			best, rank = s, r
		}
	}
	switch {
	case rank > 0:
		return best, nil
	case fault != nil:
		return Stream{}, fault
	}
	return Stream{}, ErrNoAudio
}

// readOffered reads one audio line of an offer and ranks it, the more the
// better.
func (d *Description) readOffered(index int, mode Mode, accept []Suite) (_ Stream, rank int, _ error) {
	m := &d.media[index]
	savp, err := m.isSecure()
	if err != nil {
		return Stream{}, 0, err
	}
	s, err := d.read(index)
	if err != nil {
		return Stream{}, 0, err
	}
	if s.Mux = m.has("rtcp-mux"); s.Mux {
		s.RTCP = s.RTP // RFC 5761 section 5.1.1
	}
	if mode == Off {
		if savp {
			return Stream{}, 0, fmt.Errorf("%w: line %d: RTP/SAVP where SRTP is off", ErrProfile, m.number)
		}
		return s, 1, nil
	}
	c, err := chooseCrypto(m, accept)
	switch {
	case err == nil:
		s.Secure, s.Crypto = true, c
		if savp {
			return s, 3, nil
		}
		return s, 2, nil
	case savp: // never answered with RTP/AVP
		return Stream{}, 0, err
	case mode == Required && len(m.cryptos()) == 0:
		return Stream{}, 0, fmt.Errorf("%w: line %d", ErrPlain, m.number)
	case mode == Required:
		return Stream{}, 0, err
	}
	return s, 1, nil
}

// chooseCrypto takes the first crypto line that can be used, but one of GCM
// before others where we prefer that too, since it costs a third. Of two twins
// it takes the one without MKI: some remotes offer each suite both ways, and
// an MKI only makes packets longer. Its error tells why none can be used.
func chooseCrypto(m *media, accept []Suite) (Crypto, error) {
	var usable []Crypto
	var faults []error
	for _, value := range m.cryptos() {
		c, err := ParseCrypto(value)
		if err == nil && len(accept) > 0 && !slices.Contains(accept, c.Suite) {
			err = fmt.Errorf("crypto tag %s: suite %s is not allowed", c.Tag, SuiteName(c.Suite))
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		usable = append(usable, c)
	}
	if len(usable) == 0 {
		return Crypto{}, noSuiteError(m, faults)
	}
	best := usable[0]
	if at := slices.IndexFunc(usable, func(c Crypto) bool { return gcm(c.Suite) }); at > 0 && (len(accept) == 0 || gcm(accept[0])) {
		best = usable[at]
	}
	for _, c := range usable {
		if c.Suite == best.Suite && c.MKILen == 0 {
			return c, nil
		}
	}
	return best, nil
}

// noSuiteError says what is wrong with each of the crypto lines.
func noSuiteError(m *media, faults []error) error {
	const most = 8 // lines named
	err := fmt.Errorf("%w: line %d", ErrNoSuite, m.number)
	if len(faults) == 0 {
		return fmt.Errorf("%w: no a=crypto line", err)
	}
	for _, fault := range faults[:min(len(faults), most)] {
		err = fmt.Errorf("%w: %s", err, bare(fault))
	}
	return err
}

// bare is an error's text without the sentinels, which noSuiteError says once.
func bare(err error) string {
	return strings.NewReplacer(ErrNoSuite.Error()+": ", "", ErrSyntax.Error()+": ", "").Replace(err.Error())
}

// tellingError keeps the error that helps more: one about keys before one
// about a plain twin, else the first.
func tellingError(old, new error) error {
	if old == nil || errors.Is(new, ErrNoSuite) && !errors.Is(old, ErrNoSuite) {
		return new
	}
	return old
}

// ReadAnswer reads the answer to what WriteOffer wrote with the same mode and
// keys. Stream.Crypto.Tag tells which of ours was chosen. RTP/AVP with a
// crypto line and RTP/SAVP count alike: telephones answer either with either.
//
// Errors: ErrRejected; ErrPlain and ErrProfile where the answer falls short
// of the mode; ErrNoSuite, ErrTag and ErrReuse where its crypto line is not
// one to trust, whatever the mode: what claims to be secure never becomes
// plain; ErrSyntax.
func ReadAnswer(answer *Description, mode Mode, offered []Crypto) (Stream, error) {
	index := answer.answered()
	if index < 0 {
		return Stream{}, ErrRejected
	}
	m := &answer.media[index]
	savp, err := m.isSecure()
	if err != nil {
		return Stream{}, err
	}
	s, err := answer.read(index)
	if err != nil {
		return Stream{}, err
	}
	switch {
	case mode == Off && savp:
		return Stream{}, fmt.Errorf("%w: line %d: RTP/SAVP where SRTP is off", ErrProfile, m.number)
	case mode == Off:
		return s, nil
	case !savp && len(m.cryptos()) == 0 && mode == Required:
		return Stream{}, fmt.Errorf("%w: line %d", ErrPlain, m.number)
	case !savp && len(m.cryptos()) == 0:
		return s, nil
	}
	if s.Crypto, err = chosenCrypto(m, offered); err != nil {
		return Stream{}, err
	}
	s.Secure = true
	return s, nil
}

// answered is the index of an answer's audio line, -1 if it refuses audio.
func (d *Description) answered() int {
	return slices.IndexFunc(d.media, func(m media) bool { return m.isAudio() })
}

// chosenCrypto checks an answer's crypto line against ours (RFC 4568 section
// 5.1.3). There should be one; of several, the first that fits is it.
func chosenCrypto(m *media, offered []Crypto) (Crypto, error) {
	var faults []error
	for _, value := range m.cryptos() {
		c, err := ParseCrypto(value)
		if err == nil {
			err = c.checkAnswer(offered)
		}
		if err == nil {
			return c, nil
		}
		faults = append(faults, err)
	}
	for _, sentinel := range []error{ErrReuse, ErrTag} {
		for _, fault := range faults {
			if errors.Is(fault, sentinel) {
				return Crypto{}, fmt.Errorf("line %d: %w", m.number, fault)
			}
		}
	}
	return Crypto{}, noSuiteError(m, faults)
}

// checkAnswer checks that an answered line has the tag and suite of one of
// ours, and a key of its own.
func (c Crypto) checkAnswer(offered []Crypto) error {
	i := slices.IndexFunc(offered, func(o Crypto) bool { return o.Tag == c.Tag })
	if i < 0 {
		return fmt.Errorf("%w: tag %s", ErrTag, c.Tag)
	}
	if offered[i].Suite != c.Suite {
		return fmt.Errorf("%w: tag %s: %s instead of %s", ErrTag, c.Tag, SuiteName(c.Suite), SuiteName(offered[i].Suite))
	}
	for _, o := range offered {
		// RFC 4568 section 5.1.2: the answerer's key is its own. With the
		// same one both ways, an SSRC met twice gives a keystream twice.
		if subtle.ConstantTimeCompare(o.Key, c.Key) == 1 {
			return fmt.Errorf("%w: tag %s", ErrReuse, c.Tag)
		}
	}
	return nil
}
