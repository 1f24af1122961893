package ladder

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"

	"callseal/signaling/transport"
)

// deaf is a handler that answers nothing.
type deaf struct {
	mu  sync.Mutex // guards the rest
	txs []*transport.ServerTx
}

func (d *deaf) Request(tx *transport.ServerTx) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.txs = append(d.txs, tx)
}
func (*deaf) Ack(*sip.Request, *transport.Flow)        {}
func (*deaf) Cancel(*transport.ServerTx, *sip.Request) {}
func (*deaf) Closed(*transport.Flow, error)            {}

// A request that nobody answers is not kept for ever; its client is not told, for it has given up (RFC 4320 section 4.2).
func TestRequestsThatNobodyAnswersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, handler := newInternet(), &deaf{}
		registry := prometheus.NewRegistry()
		e, err := transport.New(transport.Config{Network: network, Resolver: network, Handler: handler, Log: slog.New(slog.DiscardHandler),
			Metrics: transport.NewMetrics(registry), Listeners: []transport.Listener{{Name: "l", Role: transport.Dialer, Proto: transport.UDP,
				Address: listeners["A"]}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = e.Run(ctx) })
		defer running.Wait()
		defer cancel()
		<-e.Ready()
		slot, err := network.listenPacket(netip.MustParseAddrPort("192.0.2.1:5060"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = slot.Close() }()
		m := &message{start: "INFO sip:x@192.0.2.9 SIP/2.0", headers: []header{{"Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx"},
			{"Max-Forwards", "70"}, {"From", "<sip:a@192.0.2.1>;tag=a"}, {"To", "<sip:b@192.0.2.9>;tag=b"}, {"Call-ID", "x"}, {"CSeq", "1 INFO"}}}
		if _, err := slot.WriteToUDPAddrPort([]byte(m.encode()), listeners["A"]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(handler.txs) != 1 {
			t.Fatalf("%d requests", len(handler.txs))
		}
		done := handler.txs[0].Done()
		time.Sleep(39 * time.Second)
		select {
		case <-done:
			t.Error("forgotten while its client waits")
		default:
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Error("kept")
		}
		p := &player{t: t, registry: registry}
		if n := p.count("callseal_sip_refused_total", "cause=unanswered"); n != 1 {
			t.Errorf("counted %v", n)
		}
		if len(slot.queue) > 0 {
			t.Error("its client was told")
		}
	})
}
