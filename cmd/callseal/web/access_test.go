package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"testing"
	"time"
)

func TestToken(t *testing.T) {
	const token = "0123456789abcdef"
	s := startWith(t, Config{API: fakeHouse(1), Access: NewAccess(token, nil)})
	ask := func(path, authorization string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode == http.StatusUnauthorized && resp.Header.Get("WWW-Authenticate") == "" {
			t.Error("401 without a challenge")
		}
		return resp.StatusCode
	}
	for _, row := range []struct {
		name, path, authorization string
		want                      int
	}{
		{"the API", "/api/v1/calls", "Bearer " + token, 200},
		{"metrics", "/metrics", "bearer " + token, 200},
		{"none", "/api/v1/calls", "", 401},
		{"none for metrics", "/metrics", "", 401},
		{"a wrong one", "/metrics", "Bearer 0123456789abcdeF", 401},
		{"a part", "/metrics", "Bearer 0123456789abcde", 401},
		{"another scheme", "/metrics", "Basic " + token, 401},
		{"no scheme", "/metrics", token, 401},
		{"health is free", "/healthz", "", 200},
		{"so is readiness", "/readyz", "", 200},
	} {
		if got := ask(row.path, row.authorization); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
	s.SetAccess(NewAccess("another one, of a reload", nil))
	if ask("/metrics", "Bearer "+token) != 401 || ask("/metrics", "Bearer another one, of a reload") != 200 {
		t.Error("the token was not exchanged")
	}
	s.SetAccess(NewAccess("", nil))
	if ask("/metrics", "") != 200 {
		t.Error("a token is asked for that there is not")
	}
}

// certificate is one with this serial number.
func certificate(t *testing.T, serial int64) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "admin"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLS(t *testing.T) {
	s := startWith(t, Config{API: fakeHouse(1), Access: NewAccess("", certificate(t, 1))})
	for serial := int64(1); serial < 3; serial++ {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		resp, err := client.Get("https://" + s.Addr().String() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.TLS.PeerCertificates[0].SerialNumber.Int64(); got != serial {
			t.Errorf("certificate %d, want %d", got, serial)
		}
		s.SetAccess(NewAccess("", certificate(t, serial+1)))
	}
	if resp, err := http.Get("http://" + s.Addr().String() + "/metrics"); err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("answers in the clear")
		}
	}
}
