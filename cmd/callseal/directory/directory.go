// Package directory reads, and only reads, who the phones are from VICIdial's database: its tables phones, phones_alias and servers. It polls
// and keeps the last good copy when the database is down.
package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"callseal/signaling/auth"
	"callseal/signaling/phonebook"
)

// MinPoll is the shortest time between two readings: the tables may be MyISAM, which a reader locks whole.
const MinPoll = time.Minute

// The times of one reading.
const (
	dialTime = 5 * time.Second
	readTime = 20 * time.Second // all of it
	// retryTime is after a reading that failed while there is no copy; it doubles up to the poll.
	retryTime = 5 * time.Second
)

// Config is what a Directory needs.
type Config struct {
	Read *Reading // nil: nothing is read
	// Dialer names the dialer with an address of the table servers, or "".
	Dialer  func(address string) string
	Deliver func([]phonebook.Account) // gets each new copy, from Run's goroutine
	Log     *slog.Logger
	Metrics *Metrics
}

// Reading is what is read, and how often.
type Reading struct {
	Source  Source
	Poll    time.Duration
	Secrets bool   // passwords, too: the registrar is ours
	Realm   string // of the keys that they become
}

// Source is where a database is. It prints without user and password.
type Source struct{ config *mysql.Config }

// ErrSource is that of what names no source. The driver's own error could hold a password.
var ErrSource = errors.New("is no data source with user, address and database, or has a password in it, which belongs into a file")

// ParseSource reads one as the driver writes it, USER@tcp(HOST:PORT)/DATABASE. It fails with ErrSource.
func ParseSource(text string, password auth.Secret) (Source, error) {
	c, err := mysql.ParseDSN(strings.TrimSpace(text))
	if err != nil || c.DBName == "" || c.User == "" || c.Passwd != "" {
		return Source{}, ErrSource
	}
	if _, err := mysql.NewConnector(c); err != nil {
		return Source{}, ErrSource
	}
	c.Passwd = password.Reveal()
	c.Timeout, c.ReadTimeout, c.WriteTimeout = dialTime, readTime, dialTime
	c.MultiStatements, c.AllowAllFiles, c.AllowCleartextPasswords, c.AllowOldPasswords = false, false, false, false
	c.Logger = &mysql.NopLogger{}
	return Source{c}, nil
}

// String is the address, without user and password.
func (s Source) String() string { return s.config.Net + "(" + s.config.Addr + ")/" + s.config.DBName }

// Format is String for every verb.
func (s Source) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// Clear tells whether passwords cross a network in the clear.
func (s Source) Clear() bool {
	if s.config.Net != "tcp" || s.config.TLSConfig != "" && s.config.TLSConfig != "false" && s.config.TLSConfig != "preferred" {
		return false
	}
	host, _, err := net.SplitHostPort(s.config.Addr)
	ip := net.ParseIP(host)
	return err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// Directory reads the database again and again.
type Directory struct {
	cfg   Config
	ready chan struct{}           // closed by Run
	next  chan struct{}           // holds one while read is not what Run reads
	read  atomic.Pointer[Reading] // stored by New and Use

	// Owned by Run's goroutine.
	have bool   // a copy was delivered
	said string // of the last reading
}

// New makes one. Nothing is read before Run.
func New(cfg Config) *Directory {
	d := &Directory{cfg: cfg, ready: make(chan struct{}), next: make(chan struct{}, 1)}
	d.read.Store(cfg.Read)
	return d
}

// Use reads something else from now on, or nothing.
func (d *Directory) Use(r *Reading) {
	if was := d.read.Swap(r); reflect.DeepEqual(was, r) {
		return
	}
	select {
	case d.next <- struct{}{}:
	default: // it has yet to look
	}
}

// Ready is closed at once: without a database callseal goes on with what it has.
func (d *Directory) Ready() <-chan struct{} { return d.ready }

// Run reads until ctx ends.
func (d *Directory) Run(ctx context.Context) error {
	close(d.ready)
	for ctx.Err() == nil {
		if r := d.read.Load(); r != nil {
			d.poll(ctx, r)
			continue
		}
		select {
		case <-d.next:
		case <-ctx.Done():
		}
	}
	return nil
}

// poll reads until something else is to be read.
func (d *Directory) poll(ctx context.Context, r *Reading) {
	connector, err := mysql.NewConnector(r.Source.config)
	if err != nil { // ParseSource tried it
		panic(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }() // it holds no connection by now
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(0) // a minute lies between two readings
	d.have, d.said = false, ""
	for retry := retryTime; ; {
		d.once(ctx, db, r)
		pause := r.Poll
		if !d.have {
			pause, retry = retry, min(2*retry, r.Poll)
		}
		t := time.NewTimer(jittered(pause))
		select {
		case <-t.C:
		case <-d.next:
			t.Stop()
			return
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// once reads, delivers what it got, and says what is new about it.
func (d *Directory) once(ctx context.Context, db *sql.DB, r *Reading) {
	got, err := d.copy(ctx, db, r)
	if ctx.Err() != nil {
		return
	}
	d.cfg.Metrics.read(got, err, time.Now())
	if err == nil {
		d.have = true
		d.cfg.Deliver(got.Accounts)
	}
	d.say(r, got, err)
}

// say logs a reading that is not like the one before it.
func (d *Directory) say(r *Reading, got found, err error) {
	line := fmt.Sprint(got.counts, err)
	if line == d.said {
		return
	}
	d.said = line
	log := d.cfg.Log.With("database", r.Source.String())
	if err != nil {
		log.Warn("the phones cannot be read; those that were read before stay", "error", err, "advice", advice(err))
		return
	}
	c := got.counts
	log.Info("phones read", "phones", c.Phones, "accounts", c.Accounts, "aliases", c.Aliases)
	for _, w := range []struct {
		n           int
		msg, advice string
	}{
		{c.DefaultSecrets, "phones have the conf_secret that VICIdial gives to new ones", "give each its own on the page of the phone: that one is the first that is guessed"},
		{c.NoSecret, "phones have no conf_secret, and cannot register", "give each one on the page of the phone"},
		{c.NoDialer, "phones are on servers that are no dialer here, and cannot be reached", "add the servers to dialers, with the server_ip among sources"},
		{c.Differing, "phones have another conf_secret on another server; that of the lowest server_ip counts", "give each phone one conf_secret on all servers"},
		{c.Odd, "phones have an extension that cannot stand in a SIP address", "use letters, digits, dots, - and _"},
		{c.Cut, "rows are beyond what is read of a table", fmt.Sprintf("at most %d phones are read", maxPhones)},
	} {
		if w.n > 0 {
			log.Warn(w.msg, "count", w.n, "advice", w.advice)
		}
	}
}

// advice says what to do about a reading that failed.
func advice(err error) string {
	var refused *mysql.MySQLError
	switch {
	case errors.Is(err, errColumns):
		return "phones.database has to be the database of VICIdial"
	case errors.As(err, &refused):
		return "grant SELECT on its tables phones, phones_alias and servers to the user of phones.database, from this machine's address"
	}
	return "see that it runs and can be reached from here"
}

// jittered keeps a house's callseals from reading at the same moment.
func jittered(d time.Duration) time.Duration { return d + rand.N(d/10+1) }
