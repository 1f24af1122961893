package relay

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pion/srtp/v2"
)

// suiteNames are those of RFC 4568, RFC 6188 and RFC 7714, as crypto lines have
// them.
var suiteNames = map[srtp.ProtectionProfile]string{
	srtp.ProtectionProfileAes128CmHmacSha1_80: "AES_CM_128_HMAC_SHA1_80",
	srtp.ProtectionProfileAes128CmHmacSha1_32: "AES_CM_128_HMAC_SHA1_32",
	srtp.ProtectionProfileAes256CmHmacSha1_80: "AES_256_CM_HMAC_SHA1_80",
	srtp.ProtectionProfileAes256CmHmacSha1_32: "AES_256_CM_HMAC_SHA1_32",
	srtp.ProtectionProfileAeadAes128Gcm:       "AEAD_AES_128_GCM",
	srtp.ProtectionProfileAeadAes256Gcm:       "AEAD_AES_256_GCM",
}

// describe writes a description with one PCMU stream.
func describe(call uint64, tag int, e End) string {
	profile, crypto := "RTP/AVP", ""
	if len(e.Key) > 0 {
		profile = "RTP/SAVP"
		crypto = fmt.Sprintf("a=crypto:%d %s inline:%s\r\n", tag, suiteNames[e.Suite], base64.StdEncoding.EncodeToString(e.Key))
	}
	family := "IP4"
	if e.Addr.Addr().Is6() {
		family = "IP6"
	}
	return fmt.Sprintf("v=0\r\no=- %d 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\nm=audio %d %s 0\r\n"+
		"a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n%sa=sendrecv\r\n",
		call>>1, family, e.Addr.Addr(), family, e.Addr.Addr(), e.Addr.Port(), profile, crypto)
}

// readEnd finds the audio stream of a description, and of its crypto lines the
// one with the suite (none is wanted where secure is false). Errors hold no key.
func readEnd(description string, suite srtp.ProtectionProfile, secure bool) (end End, tag int, err error) {
	for line := range strings.Lines(description) {
		kind, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fields := strings.Fields(value)
		switch {
		case kind == "c" && len(fields) == 3:
			addr, err := netip.ParseAddr(fields[2])
			if err != nil {
				return End{}, 0, fmt.Errorf("%w: bad address in SDP", ErrAnswer)
			}
			end.Addr = netip.AddrPortFrom(addr, end.Addr.Port())
		case kind == "m" && len(fields) > 2 && fields[0] == "audio":
			port, err := strconv.ParseUint(fields[1], 10, 16)
			if err != nil {
				return End{}, 0, fmt.Errorf("%w: bad port in SDP", ErrAnswer)
			}
			end.Addr = netip.AddrPortFrom(end.Addr.Addr(), uint16(port))
		case kind == "a" && len(fields) >= 3 && strings.HasPrefix(value, "crypto:") && fields[1] == suiteNames[suite] && len(end.Key) == 0:
			if end.Key, err = readKey(fields[2]); err != nil {
				return End{}, 0, err
			}
			end.Suite = suite
			tag, _ = strconv.Atoi(strings.TrimPrefix(fields[0], "crypto:"))
		}
	}
	switch {
	case !end.Addr.IsValid() || end.Addr.Port() == 0:
		return End{}, 0, fmt.Errorf("%w: no audio in SDP", ErrAnswer)
	case secure && len(end.Key) == 0:
		return End{}, 0, fmt.Errorf("%w: no %s in SDP", ErrAnswer, suiteNames[suite])
	}
	return end, tag, nil
}

// readKey reads inline:KEY with an optional lifetime.
func readKey(param string) (Secret, error) {
	inline, ok := strings.CutPrefix(param, "inline:")
	inline, _, _ = strings.Cut(inline, "|")
	secret, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(inline, "="))
	if !ok || err != nil || len(secret) == 0 {
		return nil, fmt.Errorf("%w: bad key in SDP", ErrAnswer)
	}
	return secret, nil
}

// sameKey tells whether two ends send with one key.
func sameKey(a, b Secret) bool { return len(a) > 0 && bytes.Equal(a, b) }
