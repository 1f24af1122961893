package bench

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"callseal/bench/relay"
	"callseal/bench/stream"
)

// Direct is both ends of calls through a relay that knows no SIP. Close ends
// all of it but the relay.
type Direct struct {
	relay   relay.Relay
	addr    [2]netip.Addr // of the ends
	suites  [2]Suite      // 0: plain RTP
	engine  *stream.Engine
	studios [2]*Studio

	mu    sync.Mutex
	calls map[uint64][2]*voice
}

// NewDirect has no calls yet. Each end sends with its own suite.
func NewDirect(r relay.Relay, addr [2]netip.Addr, suites [2]Suite, ledger *Ledger, latency *Latency) *Direct {
	engine := stream.New(0)
	return &Direct{
		relay: r, addr: addr, suites: suites, engine: engine,
		studios: [2]*Studio{newStudio(engine, ledger, latency), newStudio(engine, ledger, latency)},
		calls:   map[uint64][2]*voice{},
	}
}

// Place opens a call; both ends send until plan.Audio has passed.
func (d *Direct) Place(ctx context.Context, plan Plan) error {
	var ends [2]directEnd
	var remotes [2]relay.End
	for i := range ends {
		var err error
		if ends[i], err = d.end(i); err != nil {
			ends[0].drop()
			return err
		}
		remotes[i] = relay.End{Addr: ends[i].port.Local(), Suite: d.suites[i], Key: relay.Secret(ends[i].mine.Key)}
	}
	toward, err := d.relay.Open(ctx, plan.ID, remotes)
	if err != nil {
		ends[0].drop()
		ends[1].drop()
		return err
	}
	var voices [2]*voice
	for i := range ends {
		theirs := crypto{Suite: toward[i].Suite, Key: key(toward[i].Key)}
		voices[i], err = d.studios[i].open(ends[i].port, plan, Party(i), toward[i].Addr, ends[i].mine, theirs)
		if err != nil {
			ends[1].drop()
			if i == 0 {
				ends[0].drop()
			} else {
				voices[0].close()
			}
			return err
		}
	}
	d.mu.Lock()
	d.calls[plan.ID] = voices
	d.mu.Unlock()
	voices[0].Start()
	voices[1].Start()
	return nil
}

// Halt ends the sending of all calls, so that what is under way still arrives.
func (d *Direct) Halt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, pair := range d.calls {
		pair[0].Halt()
		pair[1].Halt()
	}
}

// Settled tells whether all ends have sent what they had to, and the last packet
// of each has arrived.
func (d *Direct) Settled() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, pair := range d.calls {
		if !pair[0].Settled() {
			return false
		}
	}
	return true
}

// Hangup ends all calls, in the relay too.
func (d *Direct) Hangup(ctx context.Context) error {
	d.mu.Lock()
	calls := d.calls
	d.calls = map[uint64][2]*voice{}
	d.mu.Unlock()
	var first error
	for id, pair := range calls {
		if err := d.relay.Shut(ctx, id); err != nil && first == nil {
			first = fmt.Errorf("hang up: %w", err)
		}
		// Both must be halted before either counts what it misses.
		pair[0].Halt()
		pair[1].Halt()
		pair[0].close()
		pair[1].close()
	}
	return first
}

// Figures sums up both ends, as an Endpoint's does; calls that are up count.
func (d *Direct) Figures() [2]Figures {
	d.mu.Lock()
	defer d.mu.Unlock()
	var f [2]Figures
	for i := range f {
		f[i] = Figures{Calls: len(d.calls), TLS: "none", Media: Media{Suite: d.suites[i]}}
		d.studios[i].fill(&f[i])
	}
	return f
}

// Close ends the sending and the goroutines; call Hangup before.
func (d *Direct) Close() { d.engine.Close() }

// directEnd is an end before its call is open.
type directEnd struct {
	port *stream.Port
	mine crypto
}

func (d *Direct) end(party int) (e directEnd, err error) {
	if suite := d.suites[party]; suite != 0 {
		if e.mine, err = newCrypto(1, suite); err != nil {
			return e, err
		}
	}
	e.port, err = d.engine.Bind(d.addr[party])
	return e, err
}

func (e directEnd) drop() {
	if e.port != nil {
		e.port.Close()
	}
}
