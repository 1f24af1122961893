package bench

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// Password is a secret of an account. It prints REDACTED.
type Password string

// String hides it.
func (Password) String() string { return "REDACTED" }

// GoString hides it.
func (Password) GoString() string { return "REDACTED" }

// LogValue hides it.
func (Password) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Account is with what an endpoint registers.
type Account struct {
	User     string
	Password Password
	Expires  time.Duration // default 1 h
}

// Registered is how a registration went.
type Registered struct {
	Status int           // final code; 0: none came
	Took   time.Duration // from the first REGISTER to the final answer, with the challenge in between
}

// Register registers the caller at its server (RFC 3261, section 10.2), and
// answers one challenge (section 22.2). ErrStatus when it is refused.
func (a *Caller) Register(ctx context.Context, account Account) (Registered, error) {
	began := time.Now()
	e := &errand{arrived: make(chan incoming, 8), halted: make(chan struct{})}
	d := a.callingDialog(a.link, Plan{Number: account.User, From: account.User}, a.target)
	// Section 10.2: To and From are the address of record.
	home := a.target.uri("")
	d.target = home
	d.local.Address = sip.Uri{Scheme: "sip", User: account.User, Host: home.Host}
	d.remote.Address = d.local.Address
	if !a.enter(d.id, e) {
		return Registered{}, ErrStopped
	}
	defer a.leave(d.id)
	var r Registered
	res, err := a.ask(ctx, e, a.registration(&d, account))
	if err == nil && (res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired) {
		again := a.registration(&d, account)
		if err = authorize(again, res, account); err == nil {
			res, err = a.ask(ctx, e, again)
		}
	}
	r.Took = time.Since(began)
	if err != nil {
		return r, fmt.Errorf("REGISTER: %w", err)
	}
	if r.Status = res.StatusCode; !res.IsSuccess() {
		return r, fmt.Errorf("%w: REGISTER was answered %d %s", ErrStatus, res.StatusCode, res.Reason)
	}
	return r, nil
}

func (a *Caller) registration(d *dialog, account Account) *sip.Request {
	d.cseq++
	req := d.request(sip.REGISTER, d.cseq, branch(), a.link)
	contact := d.contact
	contact.User = account.User
	req.AppendHeader(&sip.ContactHeader{Address: contact})
	expires := account.Expires
	if expires == 0 {
		expires = time.Hour
	}
	req.AppendHeader(sip.NewHeader("Expires", fmt.Sprint(int(expires/time.Second))))
	return req
}

// authorize answers a challenge (RFC 3261, section 22.4; RFC 8760).
func authorize(req *sip.Request, res *sip.Response, account Account) error {
	asked, answer := "WWW-Authenticate", "Authorization"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		asked, answer = "Proxy-Authenticate", "Proxy-Authorization"
	}
	for _, h := range res.GetHeaders(asked) {
		challenge, err := digest.ParseChallenge(h.Value())
		if err != nil || !digest.CanDigest(challenge) {
			continue
		}
		credentials, err := digest.Digest(challenge, digest.Options{
			Method: req.Method.String(), URI: req.Recipient.String(), Username: account.User, Password: string(account.Password),
		})
		if err != nil {
			continue
		}
		req.AppendHeader(sip.NewHeader(answer, credentials.String()))
		return nil
	}
	return fmt.Errorf("%w: %d without a challenge that can be met", ErrMessage, res.StatusCode)
}

// errand is a request outside of calls.
type errand struct {
	arrived chan incoming // filled by post, never closed
	halted  chan struct{} // closed by stop, which the endpoint calls once
}

func (e *errand) post(in incoming) {
	select {
	case e.arrived <- in:
	default: // more answers than there are requests
	}
}

func (e *errand) stop() { close(e.halted) }

// ask sends a request and waits for its final response. Over UDP it is repeated
// (RFC 3261, section 17.1.2.2).
func (a *Caller) ask(ctx context.Context, e *errand, req *sip.Request) (*sip.Response, error) {
	message := []byte(req.String())
	if err := a.link.write(message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	end := time.NewTimer(a.cfg.Timeout)
	defer end.Stop()
	wait := timerT1
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case in := <-e.arrived:
			res, ok := in.message.(*sip.Response)
			if ok && !res.IsProvisional() && res.CSeq().SeqNo == req.CSeq().SeqNo {
				return res, nil
			}
		case <-again.C:
			if a.link.proto != UDP {
				continue
			}
			if err := a.link.write(message); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrLink, err)
			}
			wait = min(2*wait, timerT2)
			again.Reset(wait)
		case <-end.C:
			return nil, ErrTimeout
		case <-a.link.lost:
			return nil, a.link.err
		case <-e.halted:
			return nil, ErrStopped
		case <-ctx.Done():
			return nil, ErrStopped
		}
	}
}

// Lost is closed when the connection to the server is gone; nil over UDP.
func (a *Caller) Lost() <-chan struct{} { return a.link.lost }
