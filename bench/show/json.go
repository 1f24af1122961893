package show

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"callseal/bench"
)

// version is of the JSON's keys; a key that means something else, or is gone,
// makes a new one.
const version = 1

// WriteJSON writes the run for machines. Keys end in their unit: _ms is
// milliseconds (with decimals, exact to the nanosecond for 100 days), _bytes bytes; what
// has no unit is a count. What was not measured is null or absent, maps by
// code are keyed "503", or "none" when no final answer came. Passwords in the
// command line are left out. docs/bench-json.md lists the keys; ReadJSON is the
// inverse.
func WriteJSON(w io.Writer, r *bench.Record) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(toJSON(r))
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(from io.Reader) (*bench.Record, error) {
	var d document
	if err := json.NewDecoder(from).Decode(&d); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if d.Version != version {
		return nil, fmt.Errorf("report: version %d; this bench reads version %d", d.Version, version)
	}
	return d.record(), nil
}

// jsonMS is a time in ms with all its digits.
type jsonMS time.Duration

func (d jsonMS) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, milliseconds(time.Duration(d)), 'f', -1, 64), nil
}

func (d *jsonMS) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(v) > 1e12 {
		return fmt.Errorf("%s is no time in ms", text)
	}
	*d = jsonMS(math.Round(v * float64(time.Millisecond)))
	return nil
}

// jsonCode is a final code as a key.
type jsonCode int

func (c jsonCode) MarshalText() ([]byte, error) {
	if c == 0 {
		return []byte("none"), nil
	}
	return strconv.AppendInt(nil, int64(c), 10), nil
}

func (c *jsonCode) UnmarshalText(text []byte) error {
	if string(text) == "none" {
		*c = 0
		return nil
	}
	n, err := strconv.Atoi(string(text))
	*c = jsonCode(n)
	return err
}

type jsonCodes map[jsonCode]int

// document is the whole file; the order of its fields is that of the file.
type document struct {
	Version        int                        `json:"version"`
	Scenario       string                     `json:"scenario"`
	Target         string                     `json:"target"`
	Command        []string                   `json:"command"`
	Began          time.Time                  `json:"began"` // RFC 3339
	Took           jsonMS                     `json:"took_ms"`
	GeneratorBound bool                       `json:"generator_bound"` // the figures are not the server's
	BoundBy        []string                   `json:"bound_by"`        // why
	GeneratorCPU   jsonMS                     `json:"generator_cpu_ms"`
	BrokenOff      string                     `json:"broken_off"` // why it ended before its time
	Objectives     []jsonVerdict              `json:"slo"`
	Faults         []string                   `json:"faults"` // most frequent first
	Notes          []string                   `json:"notes"`  // what else was found
	Calls          map[string]int             `json:"calls"`  // by outcome
	Codes          jsonCodes                  `json:"codes"`  // final codes
	Times          map[string]jsonPercentiles `json:"times"`  // setup, connect, latency, ...
	Packets        jsonPackets                `json:"packets"`
	Tone           *jsonTone                  `json:"tone"`
	Wire           *jsonWire                  `json:"wire"`
	CPUPerCall     jsonMS                     `json:"cpu_per_call_ms"`   // 0: not sampled, as in the next two
	CPUPerPacket   jsonMS                     `json:"cpu_per_packet_ms"` //
	RSSPerCall     uint64                     `json:"rss_per_call_bytes"`
	Samples        []jsonSample               `json:"samples"` // one a second
}

type jsonVerdict struct {
	Text   string   `json:"text"`
	Metric string   `json:"metric"`
	Unit   string   `json:"unit"`
	Want   float64  `json:"want"`
	Got    *float64 `json:"got"` // null: not measured
	OK     bool     `json:"ok"`
}

type jsonPercentiles struct {
	Count uint64 `json:"count"`
	P50   jsonMS `json:"p50_ms"`
	P90   jsonMS `json:"p90_ms"`
	P99   jsonMS `json:"p99_ms"`
	P999  jsonMS `json:"p999_ms"`
	Max   jsonMS `json:"max_ms"`
}

type jsonPackets struct {
	Sent        uint64 `json:"sent"`
	Received    uint64 `json:"received"`
	Lost        uint64 `json:"lost"`
	Duplicated  uint64 `json:"duplicated"`
	Reordered   uint64 `json:"reordered"`
	Foreign     uint64 `json:"foreign"`
	Unauthentic uint64 `json:"unauthentic"`
	Clipped     uint64 `json:"clipped"`
	Overflowed  uint64 `json:"overflowed"` // of lost
}

type jsonTone struct {
	Checked int `json:"checked"`
	Wrong   int `json:"wrong"`
}

type jsonWire struct {
	Packets  uint64 `json:"packets"`
	Readable uint64 `json:"readable"`
}

type jsonSample struct {
	At         jsonMS    `json:"at_ms"` // since the start
	Up         int       `json:"up"`
	Started    int       `json:"started"`
	Answered   int       `json:"answered"`
	Ended      int       `json:"ended"`
	Failed     jsonCodes `json:"failed,omitempty"`
	Sent       uint64    `json:"sent"`
	Received   uint64    `json:"received"`
	Lost       uint64    `json:"lost"`
	SetupP50   jsonMS    `json:"setup_p50_ms"`
	SetupP99   jsonMS    `json:"setup_p99_ms"`
	LatencyP50 jsonMS    `json:"latency_p50_ms"`
	LatencyP99 jsonMS    `json:"latency_p99_ms"`
	Lateness   jsonMS    `json:"lateness_p99_ms"`
	Server     *jsonCost `json:"server,omitempty"`
}

type jsonCost struct {
	User        jsonMS `json:"cpu_user_ms"` // since the start, as the next
	System      jsonMS `json:"cpu_system_ms"`
	RSS         uint64 `json:"rss_bytes"`
	Threads     int    `json:"threads"`
	Descriptors int    `json:"descriptors"`
}
