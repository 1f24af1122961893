package signaling

import (
	"errors"
	"net/netip"
	"testing"

	"callseal/sdp"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// After a reload new calls go by the new configuration; the one that is up
// knows nothing of it.
func TestReload(t *testing.T) {
	second := newRemote(t, "second carrier", "127.0.11.3")
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	cfg := f.state().cfg
	kept := cfg.Table.Trunks[0]
	same := *kept
	to := &trunk.Trunk{
		Target: transport.Target{Trunk: "second", Role: transport.Carrier, Proto: transport.UDP, Host: "127.0.11.3", Port: second.addr().Port()},
		Media:  sdp.Off, Sources: []netip.Prefix{netip.MustParsePrefix("127.0.11.3/32")},
	}
	cfg.Table = trunk.Table{Trunks: []*trunk.Trunk{&same, to}, Routes: []trunk.Route{{From: transport.Dialer, To: trunk.To(to)}}}
	if err := f.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if f.state().cfg.Table.Trunks[0] != kept {
		t.Error("a trunk that is the same was exchanged")
	}
	f.dialer.send(f.invite(2, "", offer))
	second.answer(second.want("INVITE "), "486 Busy Here", "b", "", "")
	second.want("ACK ")
	f.dialer.send(f.inDialog("ACK", 102, 2, f.dialer.want("SIP/2.0 486")))
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.dialer.want("SIP/2.0 200")
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
	f.wantNoFault(t)
}

// A configuration that cannot take effect leaves all as it is.
func TestReloadRefused(t *testing.T) {
	f := newFixture(t, nil)
	was := f.state()
	for name, edit := range map[string]func(*Config){
		"moved":   func(c *Config) { c.Listeners[1].Address = netip.MustParseAddrPort("127.0.11.9:5999") },
		"removed": func(c *Config) { c.Listeners = c.Listeners[:1] },
		"renamed": func(c *Config) { c.Listeners[0].Name = "others" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := was.cfg
			cfg.Listeners = append([]Listener(nil), cfg.Listeners...)
			cfg.Table.Routes = nil
			edit(&cfg)
			if err := f.Reload(cfg); !errors.Is(err, ErrRestart) {
				t.Errorf("error %v", err)
			}
			if f.state() != was {
				t.Error("something changed")
			}
		})
	}
}
