package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Registered is how a registration went.
type Registered struct {
	Status int           // final code; 0: none came
	Took   time.Duration // from the first REGISTER to the final answer, with the challenge in between
}

// Register registers the caller at its server (RFC 3261, section 10.2), and
// answers its challenges (section 22.2). ErrStatus when it is refused.
func (a *Caller) Register(ctx context.Context, account Account) (Registered, error) {
	return a.register(ctx, a.way(), a.target, account)
}

func (e *Endpoint) register(ctx context.Context, l *link, target Target, account Account) (r Registered, err error) {
	began := time.Now()
	waiting := &errand{arrived: make(chan incoming, 8), halted: make(chan struct{})}
	d := e.callingDialog(l, Plan{Number: account.User, From: account.User}, target)
	// Section 10.2: To and From are the address of record.
	home := target.uri("")
	d.target = home
	d.local.Address = sip.Uri{Scheme: "sip", User: account.User, Host: home.Host}
	d.remote.Address = d.local.Address
	if !e.enter(d.id, waiting) {
		return r, ErrStopped
	}
	defer e.leave(d.id)
	proof := credentials{account: account}
	var res *sip.Response
	for {
		req := registration(&d, l, account)
		if err = proof.sign(req); err != nil {
			break
		}
		if res, err = e.ask(ctx, l, waiting, req); err != nil || !challenged(res) {
			break
		}
		if err = proof.take(res); err != nil {
			break
		}
	}
	r.Took = time.Since(began)
	if res != nil {
		r.Status = res.StatusCode
	}
	switch {
	case err != nil:
		return r, fmt.Errorf("REGISTER: %w", err)
	case !res.IsSuccess():
		return r, fmt.Errorf("%w: REGISTER was answered %d %s", ErrStatus, res.StatusCode, res.Reason)
	}
	return r, nil
}

func registration(d *dialog, l *link, account Account) *sip.Request {
	d.cseq++
	req := d.request(sip.REGISTER, d.cseq, branch(), l)
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
func (e *Endpoint) ask(ctx context.Context, l *link, waiting *errand, req *sip.Request) (*sip.Response, error) {
	message := []byte(req.String())
	if err := l.write(message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	end := time.NewTimer(e.cfg.Timeout)
	defer end.Stop()
	wait := timerT1
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case in := <-waiting.arrived:
			res, ok := in.message.(*sip.Response)
			if ok && !res.IsProvisional() && res.CSeq().SeqNo == req.CSeq().SeqNo {
				return res, nil
			}
		case <-again.C:
			if l.proto != UDP {
				continue
			}
			if err := l.write(message); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrLink, err)
			}
			wait = min(2*wait, timerT2)
			again.Reset(wait)
		case <-end.C:
			return nil, ErrTimeout
		case <-l.lost:
			return nil, l.err
		case <-waiting.halted:
			return nil, ErrStopped
		case <-ctx.Done():
			return nil, ErrStopped
		}
	}
}

// Lost is closed when the connection to the server is gone; nil over UDP.
func (a *Caller) Lost() <-chan struct{} { return a.way().lost }
