package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"callseal/bench"
	"callseal/bench/load"
	"callseal/bench/scenario"
	"callseal/cmd/callseal-bench/versus"
)

// runCmd is `callseal-bench run`.
type runCmd struct {
	Scenario string `arg:"" help:"A scenario's name (see the subcommand scenarios), or a file of your own."`

	ends        `embed:""`
	OtherTarget []string    `placeholder:"URI" help:"More servers, called in turn with --target."`
	Answer      []string    `placeholder:"URL" help:"Where the server finds the answerer: tls://ADDR:PORT, tcp:// or udp://. Without it the server must answer by itself and give the audio back. Of several each takes any call. Behind a ? may stand, joined by &, what is particular about one: media=plain, opens=TIME and silent=TIME (it refuses connections, or says nothing, for so long), account=NAME (the server has to register with it first)."`
	Hears       map[int]int `placeholder:"CODE=CODE" mapsep:"," help:"Where the servers are PBXs that dial on, like Asterisk: what they may make of an answerer's code for the caller. The source (SSRC) of their audio may change, too."`

	AnswerUser     string         `placeholder:"NAME" help:"Instead of --answer: the answerers register at the server with this account, counted up from one to the next, and are called there. Beside --answer: they do, and get the scenario's standing calls, like agents' phones."`
	Registrar      string         `placeholder:"URI" help:"Where they register; default: --target."`
	AnswerPassword bench.Password `placeholder:"TEXT" env:"CALLSEAL_BENCH_ANSWER_PASSWORD" help:"Password of the answerers' accounts; default: --password."`
	AnswerNumber   string         `placeholder:"DIGITS" help:"What is dialled to reach the first of them, counted up likewise; default: its user name."`
	AnswerFrom     netip.AddrPort `placeholder:"ADDR:PORT" help:"Local address they register from; default: --from."`
	Answerers      int            `default:"10" help:"How many of them there are; each takes one call at a time."`

	CallerListen      string `placeholder:"URL" help:"Where the server finds the callers when their connection is gone: tls://ADDR:PORT or tcp://."`
	CallerCertificate string `placeholder:"FILE" help:"Their certificate (PEM), for tls."`
	CallerKey         string `placeholder:"FILE" help:"Their key (PEM), for tls."`

	User     string         `placeholder:"NAME" help:"Account to register with, where the scenario does; digits count up from caller to caller."`
	Password bench.Password `placeholder:"TEXT" env:"CALLSEAL_BENCH_PASSWORD" help:"Password of all accounts; better in the environment as CALLSEAL_BENCH_PASSWORD."`
	Register bool           `help:"Let the callers register before they call, whatever the scenario says."`

	Calls     int           `placeholder:"N" help:"So many calls at most, whatever the scenario says."`
	Rate      float64       `placeholder:"N" help:"So many calls a second, to begin with."`
	Duration  time.Duration `placeholder:"TIME" help:"Length of the run."`
	Speed     float64       `placeholder:"N" help:"Calls ring and talk so many times shorter."`
	Tone      bool          `help:"The audio is a tone, and each end demands the other's."`
	Seed      uint64        `placeholder:"N" help:"Of what a scenario draws at random."`
	Metrics   string        `placeholder:"URL" help:"The server's metrics (Prometheus), to see what it holds on to, where the scenario asks for that."`
	Wire      bool          `help:"Assert that nothing readable passed on the wire."`
	PID       int           `name:"pid" placeholder:"PID" help:"Process of the server on this machine, to measure what it costs."`
	Container string        `placeholder:"NAME" help:"Docker container of the server on this machine, to measure what it costs."`

	outputs `embed:""`
}

// errNotAsPlanned ends a run without objectives in which something was wrong.
var errNotAsPlanned = errors.New("not all went as planned")

// answerWithin is how long a server may take for any answer, so that one that
// says nothing is known within 5 s.
const answerWithin = 4 * time.Second

// Run runs the scenario. The first Ctrl-C hangs up and reports, the second one
// ends at once.
func (c runCmd) Run(out output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	return c.run(ctx, out)
}

func (c runCmd) run(ctx context.Context, out output) error {
	cfg, err := c.config(ctx)
	if err != nil {
		return err
	}
	results, err := c.open(out, cfg.Scenario.Name, cfg.Target.String(), cfg.Scenario.Duration)
	if err != nil {
		return err
	}
	cfg.Observers = append(cfg.Observers, results)
	if results.calls != nil {
		cfg.Each = results.calls.add
	}
	record, err := load.Run(ctx, cfg)
	if err == nil && len(record.SLO) == 0 && len(record.Faults) > 0 && !record.GeneratorBound {
		err = fmt.Errorf("%w: %s", errNotAsPlanned, strings.Join(record.Faults, "; "))
	}
	return results.close(err)
}

// config puts files and flags together.
func (c runCmd) config(ctx context.Context) (load.Config, error) {
	s, err := loadScenario(c.Scenario)
	if err != nil {
		return load.Config{}, err
	}
	s, err = s.With(scenario.Options{Calls: c.Calls, Rate: c.Rate, Duration: c.Duration, Speed: c.Speed, Tone: c.Tone, Seed: c.Seed})
	if err != nil {
		return load.Config{}, err
	}
	s.Callers.Register = s.Callers.Register || c.Register
	cfg := load.Config{Scenario: s, Number: c.Number, Command: os.Args, Wire: c.Wire}
	if cfg.Target, err = c.target(); err != nil {
		return cfg, err
	}
	for _, uri := range c.OtherTarget {
		other, err := bench.ParseTarget(uri)
		if err != nil {
			return cfg, fmt.Errorf("--other-target: %w", err)
		}
		cfg.Others = append(cfg.Others, other)
	}
	if cfg.Caller, err = c.caller(cfg.Target); err != nil {
		return cfg, err
	}
	cfg.Caller.Timeout, cfg.Caller.Hears = answerWithin, c.Hears
	cfg.Caller.Local = netip.AddrPortFrom(c.From.Addr(), 0) // every connection has a port of its own
	if !c.From.IsValid() {
		cfg.Caller.Local = netip.AddrPort{}
	}
	cfg.Sealed[bench.Calling] = cfg.Target.Proto == bench.TLS && !c.PlainCaller
	for i, url := range c.Answer {
		answerer, err := c.answering(url)
		if err != nil {
			return cfg, err
		}
		cfg.Answerers = append(cfg.Answerers, answerer)
		sealed := answerer.Proto == bench.TLS && len(answerer.Suites) > 0
		cfg.Sealed[bench.Answering] = sealed && (i == 0 || cfg.Sealed[bench.Answering])
	}
	if c.CallerListen != "" {
		files := ends{Certificate: c.CallerCertificate, Key: c.CallerKey, PlainAnswer: c.PlainCaller, AnswerSuites: c.Suites}
		home, err := files.listening("--caller-listen", c.CallerListen)
		if err != nil {
			return cfg, err
		}
		cfg.Home = &home
	}
	if c.Metrics != "" {
		cfg.Gauges = gauges(c.Metrics)
	}
	if err := c.called(&cfg); err != nil {
		return cfg, err
	}
	if c.User != "" {
		cfg.Account = func(n int) bench.Account { return bench.Account{User: countUp(c.User, n), Password: c.Password} }
	}
	cfg.Drops = func() bench.Drops { return bench.ReadDrops(os.DirFS("/proc")) }
	sampler, err := versus.OpenSampler(ctx, c.PID, c.Container)
	if sampler != nil {
		cfg.Cost = sampler.Sample
	}
	return cfg, err
}

// answering is an answerer at a URL, with what stands behind its ?.
func (c runCmd) answering(text string) (bench.Config, error) {
	address, extra, _ := strings.Cut(text, "?")
	cfg, err := c.answerer(address)
	if err != nil {
		return cfg, err
	}
	values, err := url.ParseQuery(extra)
	if err != nil {
		return cfg, fmt.Errorf("--answer %s: %w", text, err)
	}
	for key := range values {
		value := values.Get(key)
		switch key {
		case "media":
			if err = fmt.Errorf("%w: media=plain is all that there is", bench.ErrTarget); value == "plain" {
				cfg.Suites, err = nil, nil
			}
		case "opens":
			cfg.Opens, err = time.ParseDuration(value)
		case "silent":
			cfg.Silent, err = time.ParseDuration(value)
		case "account":
			cfg.Admits = bench.Account{User: value, Password: cmp.Or(c.AnswerPassword, c.Password)}
		default:
			err = fmt.Errorf("%w: unknown %q: there are media, opens, silent and account", bench.ErrTarget, key)
		}
		if err != nil {
			return cfg, fmt.Errorf("--answer %s: %w", text, err)
		}
	}
	return cfg, nil
}

// called makes the answerers such that register, where that is asked for.
func (c runCmd) called(cfg *load.Config) error {
	switch {
	case c.AnswerUser == "":
		return nil
	case c.Answerers < 1:
		return fmt.Errorf("--answerers: %w: at least one", bench.ErrTarget)
	}
	answerer, target := cfg.Caller, cfg.Target
	var err error
	if c.Registrar != "" {
		if target, err = bench.ParseTarget(c.Registrar); err != nil {
			return fmt.Errorf("--registrar: %w", err)
		}
		answerer.Proto = target.Proto
	}
	if answerer.Suites, err = suites("--answer-suites", c.PlainAnswer, c.AnswerSuites); err != nil {
		return err
	}
	if c.AnswerFrom.IsValid() {
		answerer.Local = netip.AddrPortFrom(c.AnswerFrom.Addr(), 0)
	}
	cfg.Sealed[bench.Answering] = target.Proto == bench.TLS && !c.PlainAnswer && (len(c.Answer) == 0 || cfg.Sealed[bench.Answering])
	password, number := cmp.Or(c.AnswerPassword, c.Password), cmp.Or(c.AnswerNumber, c.AnswerUser)
	cfg.Called = &load.Called{
		Target: target, Config: answerer, Count: c.Answerers,
		Account: func(n int) bench.Account { return bench.Account{User: countUp(c.AnswerUser, n), Password: password} },
		Number:  func(n int) string { return countUp(number, n) },
	}
	return nil
}

// loadScenario reads a file where the name is one's path, else an embedded
// scenario.
func loadScenario(name string) (scenario.Scenario, error) {
	if ext := filepath.Ext(name); ext != ".yml" && ext != ".yaml" && !strings.ContainsRune(name, filepath.Separator) {
		return scenario.Load(name)
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return scenario.Scenario{}, fmt.Errorf("%s: there is no such scenario file: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return scenario.Scenario{}, err
	}
	return scenario.Parse(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), text)
}

// countUp adds n to the digits at the end of a name, with leading zeros kept:
// 1009 and 2 are 1011. A name without digits gets them.
func countUp(name string, n int) string {
	head := strings.TrimRight(name, "0123456789")
	digits := name[len(head):]
	if digits == "" {
		return name + strconv.Itoa(n)
	}
	first, err := strconv.Atoi(digits)
	if err != nil {
		return name + strconv.Itoa(n)
	}
	return fmt.Sprintf("%s%0*d", head, len(digits), first+n)
}

// scenariosCmd is `callseal-bench scenarios`.
type scenariosCmd struct{}

// Run lists the embedded scenarios.
func (scenariosCmd) Run(out output) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, name := range scenario.Names() {
		s, err := scenario.Load(name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\n", name, s.About); err != nil {
			return err
		}
	}
	return table.Flush()
}
