package probe

import (
	"fmt"
	"slices"
)

// Step is one thing that has to work between us and a remote.
type Step uint8

// The steps, in the order in which they are tried.
const (
	Resolve           Step = iota + 1 // its host name leads to an address
	Connect                           // the address takes a connection
	Handshake                         // TLS is agreed on
	Validity                          // its certificate's dates
	Chain                             // the CA that its certificate comes from, and that it is for servers
	Name                              // the name in its certificate
	ClientCertificate                 // whether it asks for ours
	Options                           // it answers SIP
	Registration                      // it knows our password
	Offer                             // it agrees on SRTP
	Media                             // its audio arrives
)

// Steps lists every step.
func Steps() []Step {
	return []Step{Resolve, Connect, Handshake, Validity, Chain, Name, ClientCertificate, Options, Registration, Offer, Media}
}

// String is the step's name on the screen and in JSON.
func (s Step) String() string {
	switch s {
	case Resolve:
		return "dns"
	case Connect:
		return "connect"
	case Handshake:
		return "tls"
	case Validity:
		return "validity"
	case Chain:
		return "chain"
	case Name:
		return "name"
	case ClientCertificate:
		return "client_certificate"
	case Options:
		return "options"
	case Registration:
		return "registration"
	case Offer:
		return "srtp"
	case Media:
		return "media"
	}
	return fmt.Sprintf("Step(%d)", uint8(s))
}

// Outcome is what became of a step.
type Outcome uint8

// The outcomes.
const (
	Good    Outcome = iota + 1 // as it should be
	Warning                    // works, and deserves a look
	Fault                      // calls will fail because of it
	Skipped                    // not tried
)

// String is the outcome's name on the screen and in JSON.
func (o Outcome) String() string {
	switch o {
	case Good:
		return "ok"
	case Warning:
		return "warning"
	case Fault:
		return "fault"
	case Skipped:
		return "skipped"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Finding is what one step showed.
type Finding struct {
	Step    Step
	Outcome Outcome
	// Says is one plain sentence without its full stop.
	Says string
	// Cause is the label that metrics and logs give to the same fault, "" where
	// there is none.
	Cause string
	// Advice says which side is wrong and what to change there, "" where nothing
	// is.
	Advice string
}

// Report is what a probe found.
type Report struct {
	Findings []Finding // one for each step, in order
}

// Fault is the first fault, which usually explains the rest, or nil.
func (r *Report) Fault() *Finding {
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Outcome == Fault })
	if i < 0 {
		return nil
	}
	return &r.Findings[i]
}

func (r *Report) add(s Step, o Outcome, format string, args ...any) *Finding {
	r.Findings = append(r.Findings, Finding{Step: s, Outcome: o, Says: fmt.Sprintf(format, args...)})
	return &r.Findings[len(r.Findings)-1]
}

// skip leaves out all steps that are not reported yet.
func (r *Report) skip(why string) {
	for _, s := range Steps() {
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Step == s }) {
			r.add(s, Skipped, "%s", why)
		}
	}
}
