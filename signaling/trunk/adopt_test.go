package trunk

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"testing"

	"callseal/sdp"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

func sealed() *Trunk {
	return &Trunk{
		Target: transport.Target{Trunk: "telco", Role: transport.Carrier, Proto: transport.TLS, Host: "sip.telco.example", TLS: &transport.ClientTLS{
			Roots: x509.NewCertPool(), Certificate: &tls.Certificate{Certificate: [][]byte{{1}}}, MinVersion: tls.VersionTLS12,
		}},
		Sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}, Media: sdp.Required, Suites: sdp.Suites()[:1],
		Headers:   header.NewRules([]string{"X-A"}, nil, map[string]string{"X-B": "1"}, false),
		Plaintext: &Plaintext{AcceptedBy: "ops", Reason: "none"},
	}
}

// A trunk is the same one after a reload unless something about it changed.
func TestAdopt(t *testing.T) {
	roots := x509.NewCertPool()
	roots.AddCert(&x509.Certificate{Raw: []byte{2}, RawSubject: []byte{2}})
	for name, row := range map[string]struct {
		edit func(*Trunk)
		same bool
	}{
		"nothing": {func(*Trunk) {}, true},
		"name":    {func(t *Trunk) { t.Target.Trunk = "other" }, false},
		"host":    {func(t *Trunk) { t.Target.Host = "sip2.telco.example" }, false},
		"sources": {func(t *Trunk) { t.Sources = nil }, false},
		"suites":  {func(t *Trunk) { t.Suites = sdp.Suites() }, false},
		"headers": {func(t *Trunk) { t.Headers = nil }, false},
		"a header's value": {func(t *Trunk) {
			t.Headers = header.NewRules([]string{"X-A"}, nil, map[string]string{"X-B": "2"}, false)
		}, false},
		"the reason":              {func(t *Trunk) { t.Plaintext.Reason = "another" }, false},
		"the CA":                  {func(t *Trunk) { t.Target.TLS.Roots = roots }, false},
		"the system's CAs":        {func(t *Trunk) { t.Target.TLS.Roots = nil }, false},
		"the client certificate":  {func(t *Trunk) { t.Target.TLS.Certificate = &tls.Certificate{Certificate: [][]byte{{2}}} }, false},
		"no client certificate":   {func(t *Trunk) { t.Target.TLS.Certificate = nil }, false},
		"the name that it shows":  {func(t *Trunk) { t.Target.TLS.ServerName = "telco.example" }, false},
		"no verification of ours": {func(t *Trunk) { t.Target.TLS = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			was, is := sealed(), sealed()
			row.edit(is)
			old := Table{Trunks: []*Trunk{was}}
			read := Table{Trunks: []*Trunk{is}, Routes: []Route{{From: transport.Dialer, To: To(is)}}}
			got := read.Adopt(&old)
			want := is
			if row.same {
				want = was
			}
			if got.Trunks[0] != want || got.Routes[0].To[0].Trunk != want {
				t.Errorf("same %v, want %v", got.Trunks[0] == was, row.same)
			}
			if read.Trunks[0] != is || read.Routes[0].To[0].Trunk != is {
				t.Error("the table that was read was changed")
			}
		})
	}
}
