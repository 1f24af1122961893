package trunk

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"reflect"
	"slices"

	"callseal/signaling/transport"
)

// Adopt gives the table t with each trunk that is the same in old as the one
// that stands there: who keeps something for a trunk, by its pointer or its
// Target, keeps it.
func (t Table) Adopt(old *Table) Table {
	kept := make(map[*Trunk]*Trunk)
	out := Table{Trunks: slices.Clone(t.Trunks), Routes: slices.Clone(t.Routes)}
	for i, tr := range out.Trunks {
		if was := old.ByName(tr.Name()); was != nil && tr.same(was) {
			out.Trunks[i], kept[tr] = was, was
		}
	}
	for i, r := range out.Routes {
		out.Routes[i].To = slices.Clone(r.To)
		for j, d := range r.To {
			if was := kept[d.Trunk]; was != nil {
				out.Routes[i].To[j].Trunk = was
			}
		}
	}
	return out
}

// same tells whether two trunks are configured alike, files included.
func (t *Trunk) same(u *Trunk) bool {
	a, b := *t, *u
	a.Target.TLS, b.Target.TLS = nil, nil
	return reflect.DeepEqual(a, b) && sameTLS(t.Target.TLS, u.Target.TLS)
}

func sameTLS(a, b *transport.ClientTLS) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Roots, y.Roots, x.Certificate, y.Certificate = nil, nil, nil, nil
	return x == y && sameRoots(a.Roots, b.Roots) && sameCertificate(a.Certificate, b.Certificate)
}

func sameRoots(a, b *x509.CertPool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(b)
}

// sameCertificate compares the chains: a key belongs to its certificate.
func sameCertificate(a, b *tls.Certificate) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
}
