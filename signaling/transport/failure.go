package transport

import (
	"fmt"
	"strings"
)

// Stage is how far an attempt to reach a remote came.
type Stage uint8

// The stages, in their order.
const (
	StageResolve   Stage = iota + 1 // looking the host up
	StageConnect                    // TCP connect
	StageHandshake                  // TLS handshake
	StageVerify                     // the remote's certificate
	StageWrite                      // sending
	StageTimeout                    // sent, but never answered: timer B or F (RFC 3261 section 17.1)
	StageClosed                     // the connection died before the answer
)

// Stages lists every stage.
func Stages() []Stage {
	return []Stage{StageResolve, StageConnect, StageHandshake, StageVerify, StageWrite, StageTimeout, StageClosed}
}

// String gives the name used in logs and metrics.
func (s Stage) String() string {
	switch s {
	case StageResolve:
		return "resolve"
	case StageConnect:
		return "connect"
	case StageHandshake:
		return "handshake"
	case StageVerify:
		return "verify"
	case StageWrite:
		return "write"
	case StageTimeout:
		return "timeout"
	case StageClosed:
		return "closed"
	default:
		return fmt.Sprintf("stage(%d)", uint8(s))
	}
}

// Cause is why a remote could not be reached, or why its TLS failed.
type Cause uint8

// The causes.
const (
	CauseOther               Cause = iota // none of those below
	CauseUnknownCA                        // the remote's certificate leads to no CA that we trust
	CauseNameMismatch                     // the remote's certificate is for another name
	CauseExpired                          // the remote's certificate has expired
	CauseNotYetValid                      // the remote's certificate is not valid yet, or our clock is behind
	CauseBadCertificate                   // the remote's certificate is unusable in another way
	CauseCertificateRequired              // the remote wants a client certificate and got none
	CauseCertificateRejected              // the remote does not accept our certificate
	CausePlaintextPeer                    // the remote does not speak TLS on that port
	CauseProtocolVersion                  // no TLS version in common
	CauseNoCipher                         // no cipher suite or other parameter in common
	CauseRefused                          // nothing listens at that port
	CauseUnreachable                      // no route to the address
	CauseOwnAddress                       // our address that it is spoken to from is not of this machine
	CauseReset                            // the remote closed the connection
	CauseNoSuchHost                       // the name does not exist or has no address
	CauseResolver                         // the name server failed
	CauseTimeout                          // no answer in time
	CauseOverflow                         // the remote does not read what we send
	CauseNoPath                           // the flow is gone and there is nothing to dial
	CauseInvalid                          // the request cannot be sent as it is
	CauseShutdown                         // this endpoint is closing
	causes                                // how many there are
)

// causeText has, for each cause: the metric label, the words of the reason phrase and the advice. %s is the trunk.
var causeText = [causes]struct{ label, phrase, advice string }{
	CauseOther:               {"other", "failed", "See the log line of this failure for what %s did."},
	CauseUnknownCA:           {"unknown_ca", "certificate unknown CA", "The certificate of %s is signed by a CA that is not in its tls.ca file: add that CA there, or have the remote send its intermediate certificates."},
	CauseNameMismatch:        {"name_mismatch", "certificate name mismatch", "The certificate of %s does not carry the name that is verified: set its tls.server_name to a name in that certificate, or have the remote's certificate reissued."},
	CauseExpired:             {"expired", "certificate expired", "The certificate of %s has expired: the remote must renew it."},
	CauseNotYetValid:         {"not_yet_valid", "certificate not yet valid", "The certificate of %s is not valid yet: check the clocks of both machines."},
	CauseBadCertificate:      {"bad_certificate", "certificate unusable", "The certificate of %s cannot be used for a TLS server: the remote must replace it."},
	CauseCertificateRequired: {"certificate_required", "wants a client certificate", "The remote of %s demands a client certificate: set its tls.certificate and tls.key here."},
	CauseCertificateRejected: {"certificate_rejected", "rejects our certificate", "The remote of %s does not trust our certificate: install our CA there, or use a certificate of a CA that it trusts."},
	CausePlaintextPeer:       {"plaintext_peer", "peer speaks no TLS", "The remote of %s answers without TLS on that port: correct the port here, or enable TLS there."},
	CauseProtocolVersion:     {"protocol_version", "no common TLS version", "The remote of %s speaks only TLS versions that are refused here: upgrade it, TLS 1.2 is the least."},
	CauseNoCipher:            {"no_cipher", "no common cipher", "The remote of %s shares no cipher suite with us: upgrade it, or set the legacy cipher switch of this trunk."},
	CauseRefused:             {"refused", "connection refused", "Nothing listens at the address of %s: start the remote, or correct host and port here."},
	CauseUnreachable:         {"unreachable", "unreachable", "There is no route to the address of %s: check the network and firewalls on both sides."},
	CauseOwnAddress:          {"own_address", "own address is missing", "The address of ours that %s is spoken to from (phones.source, or a listener's) is none of this machine: give it to an interface, or correct it here."},
	CauseReset:               {"reset", "connection closed by peer", "The remote of %s closed the connection: look into its log, it may not know our address."},
	CauseNoSuchHost:          {"no_such_host", "no such host", "The host name of %s does not exist: correct it here or in DNS."},
	CauseResolver:            {"resolver", "DNS failed", "The name server did not answer for the host of %s: check this machine's DNS."},
	CauseTimeout:             {"timeout", "timeout", "The remote of %s did not answer in time: check that it is up and that no firewall drops the packets."},
	CauseOverflow:            {"overflow", "peer does not read", "The remote of %s does not read what it is sent: it hangs or is overloaded."},
	CauseNoPath:              {"no_path", "connection gone", "The connection of %s is gone and there is no address to dial: the remote must connect again."},
	CauseInvalid:             {"invalid", "request not sendable", "The request for %s could not be written as SIP: this is a fault of this program, please report it."},
	CauseShutdown:            {"shutdown", "shutting down", "This program is ending, which is why %s was not reached."},
}

// Causes lists every cause.
func Causes() []Cause {
	all := make([]Cause, 0, causes)
	for c := range causes {
		all = append(all, c)
	}
	return all
}

// String gives the name used in logs and metrics.
func (c Cause) String() string {
	if c < causes {
		return causeText[c].label
	}
	return fmt.Sprintf("cause(%d)", uint8(c))
}

// Failure is why a request got no response, or why a remote's TLS failed. Its text carries no secret.
type Failure struct {
	Trunk string // "" for a remote that connected to us
	Stage Stage
	Cause Cause
	Err   error // what the system said; may be nil
}

// Error is the line for logs.
func (f *Failure) Error() string {
	s := fmt.Sprintf("%s: %s %s", f.who(), f.Stage, f.Cause)
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Unwrap gives what the system said.
func (f *Failure) Unwrap() error { return f.Err }

func (f *Failure) who() string {
	if f.Trunk == "" {
		return "peer"
	}
	return f.Trunk
}

// maxPhrase is what VICIdial stores of a reason phrase.
const maxPhrase = 50

// Phrase names the failure in at most 50 characters of [A-Za-z0-9 ._], fit for a SIP reason phrase: "TLS dialer1 certificate name mismatch".
func (f *Failure) Phrase() string {
	cause := causeText[CauseOther]
	if f.Cause < causes {
		cause = causeText[f.Cause]
	}
	prefix, words := "", cause.phrase
	if f.Stage == StageHandshake || f.Stage == StageVerify {
		prefix = "TLS "
	}
	if f.noHandshake() {
		words = "does not shake hands"
	}
	room := maxPhrase - len(prefix) - 1 - len(words)
	return prefix + plainWord(f.who(), room) + " " + words
}

// noHandshake: the remote takes the connection and then says nothing of TLS.
func (f *Failure) noHandshake() bool {
	return f.Stage == StageHandshake && (f.Cause == CauseReset || f.Cause == CauseTimeout)
}

// plainWord keeps the first room characters of a name and replaces what a phrase may not hold.
func plainWord(s string, room int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == ' ':
			return r
		}
		return '_'
	}, s)
	return s[:min(len(s), room)]
}

// Advice says in one sentence which side is wrong and what to change.
func (f *Failure) Advice() string {
	advice := causeText[CauseOther].advice
	if f.Cause < causes {
		advice = causeText[f.Cause].advice
	}
	if f.noHandshake() {
		advice = "The remote of %s takes the connection but not the TLS handshake: it may not speak TLS on that port; correct the port here, or enable TLS there."
	}
	return fmt.Sprintf(advice, f.who())
}
