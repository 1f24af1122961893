package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"callseal/bench"
)

// calls is the file with each end of each call. To be closed by commit, more than
// once if need be; nil is none.
type calls struct {
	file *os.File

	mu   sync.Mutex
	text *bufio.Writer // nil when it is closed
	err  error
}

// openCalls makes the file; none without a path.
func openCalls(path string) (*calls, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &calls{file: f, text: bufio.NewWriter(f)}, nil
}

// end is one end of a call. Times are of RFC 3339, lengths milliseconds.
type end struct {
	Number   string    `json:"number"`
	Party    string    `json:"party"`            // caller or answerer
	Local    string    `json:"local"`            // this end's SIP address
	Planned  string    `json:"planned"`          // answered, busy, cancelled, refused, ...
	Refusal  int       `json:"refusal"`          // the code of a planned refusal, else 0
	Got      string    `json:"got"`              // likewise, or failed
	Code     int       `json:"code"`             // final; 0: none came
	Phrase   string    `json:"phrase,omitempty"` // of that
	Began    time.Time `json:"began"`            // when INVITE was sent or came
	Over     time.Time `json:"over"`             // when BYE or a final code was sent or came
	Ring     float64   `json:"ring_ms"`          // planned
	Setup    float64   `json:"setup_ms"`         // from INVITE to the first 18x; 0: none came
	Connect  float64   `json:"connect_ms"`       // from INVITE to 200; 0: none came
	Received uint64    `json:"received"`         // audio packets
	Lost     uint64    `json:"lost"`             // likewise
	Fault    string    `json:"fault,omitempty"`  // why it failed
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// add writes an end; any goroutine may.
func (c *calls) add(r bench.Result) {
	e := end{
		Number: r.Number, Party: r.Party.String(), Local: r.Local.String(), Planned: r.Outcome.String(), Refusal: r.Plan.Status,
		Got: r.Got.String(), Code: r.Status, Phrase: r.Phrase, Began: r.Began, Over: r.Over,
		Ring: milliseconds(r.Ring), Setup: milliseconds(r.Setup), Connect: milliseconds(r.Connect),
		Received: r.Media.Received, Lost: r.Media.Lost,
	}
	if r.Err != nil {
		e.Fault = r.Err.Error()
	}
	line, err := json.Marshal(e)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text == nil { // the record is made: this end is cut off
		return
	}
	if err == nil {
		_, err = c.text.Write(append(line, '\n'))
	}
	c.err = errors.Join(c.err, err)
}

// commit closes the file. The error is of all writing.
func (c *calls) commit() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text == nil {
		return nil
	}
	err := errors.Join(c.err, c.text.Flush(), c.file.Close())
	c.text = nil
	return err
}
