package bench

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"callseal/bench/relay"
)

// Direct is both ends of calls through a relay that knows no SIP. Close ends
// all of it but the relay.
type Direct struct {
	relay   relay.Relay
	addr    [2]netip.Addr // of the ends
	suites  [2]Suite      // 0: plain RTP
	ledger  *Ledger
	latency *Latency
	pacer   *pacer

	mu    sync.Mutex
	calls map[uint64][2]*stream
	total [2]Media // of the calls that have ended
}

// NewDirect has no calls yet. Each end sends with its own suite.
func NewDirect(r relay.Relay, addr [2]netip.Addr, suites [2]Suite, ledger *Ledger, latency *Latency) *Direct {
	return &Direct{
		relay: r, addr: addr, suites: suites, ledger: ledger, latency: latency,
		pacer: newPacer(), calls: map[uint64][2]*stream{},
	}
}

// Place opens a call; both ends send until plan.Audio has passed.
func (d *Direct) Place(ctx context.Context, plan Plan) error {
	var ends [2]directEnd
	var remotes [2]relay.End
	for i := range ends {
		var err error
		if ends[i], err = newDirectEnd(d.addr[i], d.suites[i]); err != nil {
			ends[0].drop()
			return err
		}
		remotes[i] = relay.End{Addr: localAddr(ends[i].conn), Suite: d.suites[i], Key: relay.Secret(ends[i].mine.Key)}
	}
	toward, err := d.relay.Open(ctx, plan.ID, remotes)
	if err != nil {
		ends[0].drop()
		ends[1].drop()
		return err
	}
	var streams [2]*stream
	for i := range ends {
		theirs := crypto{Suite: toward[i].Suite, Key: key(toward[i].Key)}
		streams[i], err = newStream(plan, Party(i), ends[i].conn, toward[i].Addr, ends[i].mine, theirs, d.ledger, d.latency)
		if err != nil {
			ends[1].drop()
			if i == 0 {
				ends[0].drop()
			} else {
				streams[0].close()
			}
			return err
		}
	}
	d.mu.Lock()
	d.calls[plan.ID] = streams
	d.mu.Unlock()
	d.pacer.add(streams[0])
	d.pacer.add(streams[1])
	return nil
}

// Halt ends the sending of all calls, so that what is under way still arrives.
func (d *Direct) Halt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, pair := range d.calls {
		pair[0].halt()
		pair[1].halt()
	}
}

// Hangup ends all calls, in the relay too.
func (d *Direct) Hangup(ctx context.Context) error {
	d.mu.Lock()
	calls := d.calls
	d.calls = map[uint64][2]*stream{}
	d.mu.Unlock()
	var first error
	for id, pair := range calls {
		if err := d.relay.Shut(ctx, id); err != nil && first == nil {
			first = fmt.Errorf("hang up: %w", err)
		}
		// Both must be halted before either counts what it misses.
		pair[0].halt()
		pair[1].halt()
		a, b := pair[0].close(), pair[1].close()
		d.mu.Lock()
		d.total[0], d.total[1] = d.total[0].plus(a), d.total[1].plus(b)
		d.mu.Unlock()
	}
	return first
}

// Figures sums up both ends, as an Endpoint's does; calls that are up count.
func (d *Direct) Figures() [2]Figures {
	d.mu.Lock()
	defer d.mu.Unlock()
	var f [2]Figures
	for i := range f {
		f[i] = Figures{
			Calls: len(d.calls), Talking: len(d.calls), Media: d.total[i], TLS: "none",
			Latency: d.latency.Quantiles(), Lateness: d.pacer.lateness.Quantiles(),
		}
		for _, pair := range d.calls {
			f[i].Media = f[i].Media.plus(pair[i].media())
		}
	}
	return f
}

// Close ends the sending and the goroutines; call Hangup before.
func (d *Direct) Close() { d.pacer.close() }

// directEnd is an end before its call is open.
type directEnd struct {
	conn *net.UDPConn
	mine crypto
}

func newDirectEnd(addr netip.Addr, suite Suite) (e directEnd, err error) {
	if suite != 0 {
		if e.mine, err = newCrypto(1, suite); err != nil {
			return e, err
		}
	}
	e.conn, err = listenRTP(addr)
	return e, err
}

func (e directEnd) drop() {
	if e.conn != nil {
		_ = e.conn.Close()
	}
}
