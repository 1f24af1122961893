package versus

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"callseal/bench"
	"callseal/bench/stream"
)

// Where the three parties are, and the names in their certificates.
var (
	serverAddr  = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	dialerAddr  = netip.AddrFrom4([4]byte{127, 0, 0, 2})
	carrierAddr = netip.AddrFrom4([4]byte{127, 0, 0, 3})
)

const (
	serverName  = "server.bench"
	carrierName = "carrier.bench"
	dialerName  = "dialer.bench"
)

//go:embed config
var configs embed.FS

// house is what a SIP server under measurement needs on disk, and both ends of
// its calls. One on a run: the servers take turns in it.
type house struct {
	Dir           string // of files
	Port          uint16 // where the server takes the dialer's calls
	CarrierListen uint16 // where it would take a carrier's
	Admin         uint16
	Dialer        uint16 // where callers are found whose connection is gone
	Carrier       uint16 // of the answerer
	PlainDialer   bool   // UDP and RTP
	PlainCarrier  bool   // likewise
	CA            string // PEM file; NAME.pem and NAME.key of server, dialer and carrier stand beside it
	Suites        [2]string
	Coalesce      string // media.coalesce; empty: callseal's default

	roots   *x509.CertPool
	carrier *tls.Certificate
}

// furnish makes certificates and ports. suites are those of the dialer and of
// the carrier.
func furnish(dir string, suites [2]string) (*house, error) {
	h := &house{Dir: dir, Suites: suites, CA: filepath.Join(dir, "ca.pem")}
	ca, err := bench.NewAuthority("callseal-bench CA")
	if err != nil {
		return nil, err
	}
	h.roots = ca.Pool()
	server, err := ca.Issue(serverName, serverAddr)
	if err != nil {
		return nil, err
	}
	if h.carrier, err = ca.Issue(carrierName, carrierAddr); err != nil {
		return nil, err
	}
	dialer, err := ca.Issue(dialerName, dialerAddr)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(h.CA, ca.PEM(), 0o600); err != nil {
		return nil, err
	}
	if err := errors.Join(h.keep("server", server), h.keep("dialer", dialer), h.keep("carrier", h.carrier)); err != nil {
		return nil, err
	}
	for _, p := range []struct {
		port *uint16
		addr netip.Addr
	}{{&h.Port, serverAddr}, {&h.CarrierListen, serverAddr}, {&h.Admin, serverAddr}, {&h.Dialer, dialerAddr}, {&h.Carrier, carrierAddr}} {
		if *p.port, err = freePort(p.addr); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// keep writes NAME.pem and NAME.key.
func (h *house) keep(name string, c *tls.Certificate) error {
	der, err := x509.MarshalECPrivateKey(c.PrivateKey.(*ecdsa.PrivateKey)) // as the Authority makes them
	if err != nil {
		return err
	}
	base := filepath.Join(h.Dir, name)
	return errors.Join(
		os.WriteFile(base+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600),
		os.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600))
}

// write fills in a server's configuration and returns its path.
func (h *house) write(name string) (string, error) {
	text, err := template.ParseFS(configs, "config/"+name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(h.Dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	if err := text.Execute(f, h); err != nil {
		_ = f.Close()
		return "", err
	}
	return path, f.Close()
}

// suites are what one end offers and accepts.
func (h *house) suites(p bench.Party) []bench.Suite {
	s, _ := bench.ParseSuite(h.Suites[p]) // constants
	return []bench.Suite{s}
}

// target is where the dialer calls.
func (h *house) target() bench.Target {
	return bench.Target{Proto: bench.TLS, Host: serverAddr.String(), Port: h.Port}
}

// ends are both user agents of the calls through the server, which share an
// audio engine. find knows the plan of a dialled number.
func (h *house) ends(ctx context.Context, find func(number string) (bench.Plan, bool),
	engine *stream.Engine, ledger *bench.Ledger, latency *bench.Latency) (*bench.Caller, *bench.Answerer, error) {
	answerer, err := bench.NewAnswerer(bench.Config{
		User: "carrier", Proto: bench.TLS, Local: netip.AddrPortFrom(carrierAddr, h.Carrier), Suites: h.suites(bench.Answering),
		Certificate: h.carrier, Engine: engine, Ledger: ledger, Latency: latency,
	}, find)
	if err != nil {
		return nil, nil, err
	}
	caller, err := bench.NewCaller(ctx, bench.Config{
		User: "dialer", Proto: bench.TLS, Local: netip.AddrPortFrom(dialerAddr, 0), Suites: h.suites(bench.Calling),
		Roots: h.roots, ServerName: serverName, Engine: engine, Ledger: ledger, Latency: latency,
	}, h.target())
	if err != nil {
		answerer.Close()
		return nil, nil, err
	}
	return caller, answerer, nil
}

// startCallseal runs callseal between the dialer and the carrier.
func (h *house) startCallseal(ctx context.Context, core int, program string) (*server, error) {
	config, err := h.write("callseal.yml")
	if err != nil {
		return nil, err
	}
	s, err := start(h.Dir, core, "callseal", program, "run", "--config", config)
	if err != nil {
		return nil, err
	}
	return s, h.up(ctx, s, netip.AddrPortFrom(serverAddr, h.Admin))
}

// startKamailio runs Kamailio in its place.
func (h *house) startKamailio(ctx context.Context, core int, program string) (*server, error) {
	if _, err := h.write("kamailio-tls.cfg"); err != nil {
		return nil, err
	}
	config, err := h.write("kamailio.cfg")
	if err != nil {
		return nil, err
	}
	// In the foreground, with its log on standard error and memory for many transactions.
	s, err := start(h.Dir, core, "kamailio", program, "-f", config, "-DD", "-E", "-m", "512", "-M", "16", "-Y", h.Dir)
	if err != nil {
		return nil, err
	}
	return s, h.up(ctx, s, netip.AddrPortFrom(serverAddr, h.Port))
}

// up waits for the server at an address, and ends it when it does not come.
func (h *house) up(ctx context.Context, s *server, at netip.AddrPort) error {
	err := s.ready(ctx, at.String())
	if err != nil {
		s.stop()
	}
	return err
}

// absolute finds a program in PATH or at a path.
func absolute(program string) (string, error) {
	if !strings.Contains(program, "/") {
		return program, nil
	}
	path, err := filepath.Abs(program)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s %w: %w; make build and bench/peers/install.sh put the programs there", program, errStart, err)
	}
	return path, nil
}
