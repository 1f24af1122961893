package sdp

import (
	"regexp"
	"strings"
)

// What one leg's description says about its network, its identity and its
// keys, and what only the two ends of one transport can mean, stays on that
// leg. The lists below name it; codecs and whatever else is unknown passes.

// hidden are attributes that never pass to the other leg.
var hidden = set(
	// Keys and what goes with them: RFC 4568, 4567, 6189, 8122, 8842, 8827.
	"crypto", "key-mgmt", "mikey", "zrtp-hash", "fingerprint", "setup", "connection", "tls-id", "dtls-id", "identity",
	// Transport addresses: RFC 3605, 5761, 8858, 8839, 4570, and what old
	// relays and softphones add.
	"rtcp", "rtcp-mux", "rtcp-mux-only", "candidate", "remote-candidates", "end-of-candidates",
	"source-filter", "direction", "alt", "oldmediaip", "oldmediaport", "nortpproxy",
	// Names of sources and streams: RFC 5576, 8830, 5888, 8843.
	"ssrc", "ssrc-group", "cname", "msid", "msid-semantic", "mid", "group", "bundle-only",
	// AVPF only, which we do not offer: RFC 4585, 5506.
	"rtcp-fb", "rtcp-rsize",
	// Alternatives to the m-line that we do not negotiate, keys and addresses
	// among them: RFC 3407, 5939, 6871, 7006.
	"sqn", "cdsc", "cpar", "cparmin", "cparmax", "creq", "csup",
	"acap", "tcap", "rmcap", "omcap", "mfcap", "mscap", "bcap", "ccap", "icap", "sescap", "pcfg", "acfg", "lcfg",
	// The sender's software and texts: RFC 8866 section 6.
	"tool", "cat", "keywds",
)

// hiddenPrefixes begin attributes that never pass: ICE, and private ones,
// which hold session ids and addresses with some products.
var hiddenPrefixes = []string{"ice-", "x-"}

// addressText finds IP addresses in a value. It rather takes a number for an
// address than the other way round.
var addressText = regexp.MustCompile(`[0-9]{1,3}(\.[0-9]{1,3}){3}|::|([0-9A-Fa-f]{1,4}:){7}`)

// passes tells whether a line may be written to the other leg.
func (l line) passes() bool {
	switch l.kind {
	case 'b':
	case 'a':
		name, value := l.attribute()
		if hidden[name] {
			return false
		}
		for _, prefix := range hiddenPrefixes {
			if strings.HasPrefix(name, prefix) {
				return false
			}
		}
		if name == "extmap" && !passesExtension(value) {
			return false
		}
		if _, ok := parseDirection(name); ok {
			return false // written anew
		}
	default:
		return false
	}
	return !hasAddress(l.value) && !hasKey(l)
}

// hasAddress tells whether addressText matches. Most values have too few dots and colons for it, and counting them is
// a hundred times faster.
func hasAddress(value string) bool {
	return (strings.Count(value, ".") >= 3 || strings.Count(value, ":") >= 2) && addressText.MatchString(value)
}

// hasKey tells whether an attribute holds a master key.
func hasKey(l line) bool {
	name, _ := l.attribute()
	return name == "crypto" || name == "key-mgmt" || strings.Contains(strings.ToLower(l.value), "inline:")
}

// passesExtension refuses header extensions that carry the CNAME or a stream's
// name (RFC 7941), or are encrypted under the leg's own key (RFC 6904).
func passesExtension(value string) bool {
	return !strings.Contains(value, ":sdes:") && !strings.Contains(value, ":encrypt")
}

// passing keeps the lines of one kind that may be written to the other leg.
func passing(lines []line, kind byte) []line {
	var kept []line
	for _, l := range lines {
		if l.kind == kind && l.passes() {
			kept = append(kept, l)
		}
	}
	return kept
}

func set(names ...string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}
