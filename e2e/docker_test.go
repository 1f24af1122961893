package e2e

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// engine is a Docker engine of the tests' own: its images stay in the cache, the machine's networks and firewall stay as they are.
type engine struct {
	*process
	host string // its socket, as DOCKER_HOST
}

// dockerd, docker: those of Debian's docker.io, whatever else the machine has.
const (
	dockerd = "/usr/sbin/dockerd"
	docker  = "/usr/bin/docker"
)

// startEngine runs dockerd until the test ends.
func startEngine(t *testing.T) *engine {
	t.Helper()
	data := filepath.Join(filepath.Dir(peersDir()), "docker")
	lock(t, data+".lock")
	run := shortDir(t)
	t.Cleanup(func() { // dockerd leaves this mount behind, once a container has run in the host's network
		_ = syscall.Unmount(filepath.Join(run, "exec/netns/default"), syscall.MNT_DETACH)
	})
	e := &engine{host: "unix://" + filepath.Join(run, "docker.sock")}
	e.process = start(t, "dockerd", nil, dockerd,
		"--data-root", data, "--exec-root", filepath.Join(run, "exec"), "--pidfile", filepath.Join(run, "pid"), "--host", e.host,
		"--bridge", "none", "--iptables=false", "--ip6tables=false",
		"--log-level", "warn")
	eventually(t, "dockerd answers", func() bool {
		if e.ended() {
			t.Fatalf("dockerd ended: %s", e.output(t))
		}
		return e.command(t, "version").Run() == nil
	})
	return e
}

// lock lets one test run at a time use the cache of images.
func lock(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() }) // which unlocks it
}

// command is the docker client, with no configuration of the machine's user.
func (e *engine) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(docker, args...)
	cmd.Env = append(os.Environ(), e.env(t)...)
	return cmd
}

func (e *engine) env(t *testing.T) []string {
	t.Helper()
	return []string{"DOCKER_HOST=" + e.host, "DOCKER_CONFIG=" + t.TempDir(), "DOCKER_BUILDKIT=1"}
}

// run runs the docker client and returns what it printed.
func (e *engine) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := e.command(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// inspect reads a field of an image or container.
func (e *engine) inspect(t *testing.T, name, format string) string {
	t.Helper()
	return e.run(t, "inspect", "--format", format, name)
}

// golangImage is what the Dockerfile builds in. There is no registry here to pull it from.
const golangImage = "golang:1.26-bookworm"

// needGolangImage makes the image from a bare bookworm, this machine's Go tool chain and its CA roots, unless the cache has it.
func (e *engine) needGolangImage(t *testing.T) {
	t.Helper()
	version := fmt.Sprintf("%s-%.8x", goEnv(t, "GOVERSION"), sha256.Sum256([]byte(read(t, "/etc/ssl/certs/ca-certificates.crt"))))
	label, err := e.command(t, "inspect", "--format", `{{index .Config.Labels "go"}}`, golangImage).Output()
	if err == nil && strings.TrimSpace(string(label)) == version {
		return
	}
	root := goEnv(t, "GOROOT")
	tar := exec.Command("sh", "-c", `
		set -e
		cp "$1" "$4/image.tar"
		tar --delete --file "$4/image.tar" ./etc/ssl/certs/ca-certificates.crt
		tar --append --file "$4/image.tar" --directory / --dereference ./etc/ssl/certs/ca-certificates.crt
		tar --append --file "$4/image.tar" --directory "$2" --transform 's,^\.,./usr/local/go,' .
		exec "$3" import --change "LABEL go=$5" --change "ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin GOTOOLCHAIN=local" "$4/image.tar" "$6"`,
		"sh", filepath.Join(peersDir(), "bookworm.tar"), root, docker, t.TempDir(), version, golangImage)
	tar.Env = append(os.Environ(), e.env(t)...)
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("%s cannot be made: %v\n%s", golangImage, err, out)
	}
}

// buildImage builds the project's Dockerfile with this machine's way to Go modules.
func (e *engine) buildImage(t *testing.T, tag string) {
	t.Helper()
	args := []string{"build", "--network", "host", "--tag", tag}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE"} {
		if value := goEnv(t, name); value != "" {
			args = append(args, "--build-arg", name+"="+value)
		}
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if os.Getenv(name) != "" {
			args = append(args, "--build-arg", name) // docker takes the value from the environment
		}
	}
	out, err := e.command(t, append(args, "..")...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker build: %v\n%s", err, out)
	}
	e.run(t, "image", "prune", "--force") // what this tag was before
}

// goEnv is one value of go env.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
