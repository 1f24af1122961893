package e2e

import (
	"database/sql"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	_ "github.com/go-sql-driver/mysql" // its driver
)

// The user that callseal reads the database as.
const (
	databaseUser     = "callseal"
	databasePassword = "bench-database-0815"
)

// mariadb is a running MariaDB with an empty database asterisk, and a user that may read it.
type mariadb struct {
	*process
	addr netip.AddrPort
	dir  string
	run  string // short, for the socket
}

// startMariaDB runs one on an address of its own.
func startMariaDB(t *testing.T) *mariadb {
	t.Helper()
	m := &mariadb{addr: netip.AddrPortFrom(address(), 3306), dir: filepath.Join(t.ArtifactDir(), "mariadb"), run: shortDir(t)}
	if err := os.MkdirAll(filepath.Join(m.dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	share := filepath.Join(peersDir(), "bookworm/root/usr/share/mysql")
	command, args := m.command("--bootstrap")
	boot := exec.Command(command, args...)
	boot.Stdin = strings.NewReader("CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n" +
		read(t, filepath.Join(share, "mysql_system_tables.sql")) + read(t, filepath.Join(share, "mysql_system_tables_data.sql")) +
		fmt.Sprintf("CREATE DATABASE asterisk;\nFLUSH PRIVILEGES;\nCREATE USER %[1]s@'%%' IDENTIFIED BY '%[2]s';\nGRANT SELECT ON asterisk.* TO %[1]s@'%%';\n", databaseUser, databasePassword))
	if out, err := boot.CombinedOutput(); err != nil {
		t.Fatalf("mariadb: %v\n%s", err, out)
	}
	collected.secret(databasePassword, "the password of the database")
	m.start(t)
	return m
}

// command is MariaDB under the loader and libraries of its own release, without InnoDB: VICIdial's tables are MyISAM.
func (m *mariadb) command(args ...string) (string, []string) {
	root := filepath.Join(peersDir(), "bookworm/root")
	return privately(root, "usr/sbin/mariadbd", append([]string{"--no-defaults", "--user=root", "--basedir=" + root + "/usr",
		"--lc-messages-dir=" + root + "/usr/share/mysql", "--datadir=" + filepath.Join(m.dir, "data"), "--socket=" + filepath.Join(m.run, "s"),
		"--pid-file=" + filepath.Join(m.run, "pid"), "--bind-address=" + m.addr.Addr().String(), "--port=3306", "--innodb=OFF",
		"--default-storage-engine=MyISAM", "--skip-name-resolve", "--general-log", "--general-log-file=" + m.queries()}, args...)...)
}

// queries is the file with everything that it was asked.
func (m *mariadb) queries() string { return filepath.Join(m.dir, "queries.log") }

var logged = regexp.MustCompile(`(?m)^(?:\d{6} [ \d:]{8})?\s+(\d+) (Connect|Query)\s+(.*)$`)

// asked are the queries of callseal's connections so far, each on one line.
func (m *mariadb) asked(t *testing.T) []string {
	t.Helper()
	own := map[string]bool{}
	var all []string
	text := regexp.MustCompile(`\n\t{2}WHERE`).ReplaceAllString(read(t, m.queries()), " WHERE")
	for _, l := range logged.FindAllStringSubmatch(text, -1) {
		switch {
		case l[2] == "Connect":
			own[l[1]] = strings.HasPrefix(l[3], databaseUser+"@")
		case own[l[1]]:
			all = append(all, l[3])
		}
	}
	return all
}

// start runs it, again after stop.
func (m *mariadb) start(t *testing.T) {
	t.Helper()
	command, args := m.command()
	m.process = start(t, "mariadb", nil, command, args...)
	m.says(t, "ready for connections")
}

// stop ends it.
func (m *mariadb) stop(t *testing.T) { t.Helper(); m.end(t, syscall.SIGTERM) }

// do runs statements as its administrator.
func (m *mariadb) do(t *testing.T, statements ...string) {
	t.Helper()
	db, err := sql.Open("mysql", "root@unix("+filepath.Join(m.run, "s")+")/asterisk")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// vicidial are the tables that callseal reads, made for this test with VICIdial's names of columns, and others beside them.
func vicidial() []string {
	return []string{
		`CREATE TABLE phones (extension VARCHAR(100), dialplan_number VARCHAR(20), voicemail_id VARCHAR(10), phone_ip VARCHAR(15), server_ip VARCHAR(15),
			login VARCHAR(20), pass VARCHAR(100), status ENUM('ACTIVE','SUSPENDED') DEFAULT 'ACTIVE', active ENUM('Y','N') DEFAULT 'Y', fullname VARCHAR(50),
			protocol ENUM('SIP','PJSIP','Zap','IAX2','EXTERNAL') DEFAULT 'SIP', conf_secret VARCHAR(100) DEFAULT 'test', is_webphone VARCHAR(10) DEFAULT 'N',
			template_id VARCHAR(15), UNIQUE INDEX extenserver (extension, server_ip))`,
		`CREATE TABLE phones_alias (alias_id VARCHAR(20), alias_name VARCHAR(20), logins_list VARCHAR(255))`,
		`CREATE TABLE servers (server_id VARCHAR(10), server_ip VARCHAR(15), active ENUM('Y','N') DEFAULT 'Y', asterisk_version VARCHAR(20),
			external_server_ip VARCHAR(100) DEFAULT '')`,
	}
}

// addPhone is the statement that makes a phone.
func addPhone(extension string, server netip.Addr, login, secret string) string {
	return fmt.Sprintf("INSERT INTO phones SET extension = '%s', server_ip = '%s', login = '%s', conf_secret = '%s'", extension, server, login, secret)
}

// yaml is the database in callseal's section phones.
func (m *mariadb) yaml(t *testing.T) string {
	t.Helper()
	file := write(t, filepath.Join(m.dir, "password"), databasePassword+"\n")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("database: {dsn: \"%s@tcp(%s)/asterisk\", password_file: %q}", databaseUser, m.addr, file)
}
