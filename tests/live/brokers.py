"""Real brokers on this machine: each started on 127.0.0.1 in a folder of its own, and stopped without a trace.

It knows programs, ports and configuration files; no queue.  Ports are free ones, so that several runs do not meet.
What is missing is said in one line: ``Missing``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

ENOUGH = 60
"""Seconds that a broker may take to get ready."""


class Missing(Exception):
    """What has to be installed, and how."""


@dataclass
class Place:
    """A folder, and the processes that were started from it."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    stops: list[Callable[[], object]] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        with (self.folder / "stdout.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def wait_for(self, port: int) -> None:
        """Until somebody listens; else it is missing, and its log says why."""
        until = time.monotonic() + ENOUGH
        while not _listens(port):
            ended = [each.args for each in self.processes if each.poll() is not None]
            if ended or time.monotonic() > until:
                last = (self.folder / "stdout.log").read_text().strip().splitlines()[-1:]
                raise Missing(f"{self.folder.name}: installed, but does not start: {' '.join(last)[:200]}")
            time.sleep(0.1)

    def close(self) -> None:
        for stop in self.stops:
            with suppress(Exception):
                stop()
        for process in self.processes:
            _end(process)
        shutil.rmtree(self.folder, ignore_errors=True)


# --- the brokers: what they need, and how they are started -------------------------------------------------------------


def redis(place: Place) -> str:
    port = free_port()
    options = f"--bind 127.0.0.1 --port {port} --appendonly no --dir {place.folder}".split()
    place.start(["redis-server", *options, "--save", ""])
    place.wait_for(port)
    return f"redis://127.0.0.1:{port}"


def moto(place: Place) -> str:
    port = free_port()
    place.start([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])
    place.wait_for(port)
    return f"http://127.0.0.1:{port}"


def rabbitmq(place: Place) -> str:
    """The scripts themselves: Debian's wrapper would change user, and use the node of the machine."""
    amqp, distribution, epmd = free_port(), free_port(), free_port()
    scripts = _rabbitmq_scripts()
    assert scripts is not None
    environment = _rabbitmq_environment(place, amqp, distribution, epmd)
    place.start([str(scripts / "rabbitmq-server")], environment)
    place.stops.append(lambda: _erlang_is_done(scripts, environment))
    place.wait_for(amqp)
    return f"amqp://guest:guest@127.0.0.1:{amqp}/%2F"


def _rabbitmq_environment(place: Place, amqp: int, distribution: int, epmd: int) -> dict[str, str]:
    home = place.folder
    place.write("rabbitmq.conf", RABBITMQ_CONF.format(port=amqp))
    place.write("advanced.config", RABBITMQ_ADVANCED.format(port=distribution))
    place.write("enabled_plugins", "[].\n")
    return {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"qsim{amqp}@localhost",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_PID_FILE": str(home / "rabbit.pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd),
    }


def _erlang_is_done(scripts: Path, environment: Mapping[str, str]) -> None:
    """The node goes in good order, and then the daemon that it started for its name."""
    everything = {**os.environ, **environment}
    subprocess.run([scripts / "rabbitmqctl", "shutdown"], env=everything, timeout=ENOUGH, capture_output=True, check=False)
    subprocess.run(["epmd", "-kill"], env=everything, timeout=ENOUGH, capture_output=True, check=False)


RABBITMQ_CONF = """\
listeners.tcp.default = 127.0.0.1:{port}
loopback_users.guest = true
log.console = false
vm_memory_high_watermark.relative = 0.4
disk_free_limit.absolute = 50MB
"""
RABBITMQ_ADVANCED = """\
[{{kernel, [{{inet_dist_use_interface, {{127,0,0,1}}}},
           {{inet_dist_listen_min, {port}}}, {{inet_dist_listen_max, {port}}}]}}].
"""


def activemq(place: Place) -> str:
    """No JMX: its server would open a port of its own on every interface."""
    openwire, stomp, data = free_port(), free_port(), place.folder / "data"
    config = place.write("activemq.xml", ACTIVEMQ_XML.format(data=data, openwire=openwire, stomp=stomp))
    base = {"home": HOME_OF_ACTIVEMQ, "base": place.folder, "conf": place.folder, "data": data}
    options = [f"-Dactivemq.{key}={value}" for key, value in base.items()]
    jar = str(HOME_OF_ACTIVEMQ / "bin" / "activemq.jar")
    place.start(["java", "-Xmx512m", *options, "-jar", jar, "start", f"xbean:file:{config}"])
    place.wait_for(openwire)
    place.wait_for(stomp)
    return f"tcp://127.0.0.1:{openwire}?stomp={stomp}"


HOME_OF_ACTIVEMQ = Path("/usr/share/activemq")
_INDIVIDUAL = """<deadLetterStrategy><individualDeadLetterStrategy queuePrefix="DLQ."
 useQueueForQueueMessages="true"/></deadLetterStrategy>"""
_NOT_FOR_EXPIRED = _INDIVIDUAL.replace("queuePrefix", 'processExpired="false" queuePrefix')
ACTIVEMQ_XML = f"""\
<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://www.springframework.org/schema/beans
  http://www.springframework.org/schema/beans/spring-beans-2.0.xsd
  http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
 <broker xmlns="http://activemq.apache.org/schema/core" brokerName="qsim" useJmx="false" persistent="true"
  schedulerSupport="true" dataDirectory="{{data}}" useShutdownHook="true" advisorySupport="true">
  <destinationPolicy><policyMap><policyEntries>
   <policyEntry queue="qsim.shared.>"/>
   <policyEntry queue="qsim.plain.>">{_INDIVIDUAL}</policyEntry>
   <policyEntry queue="qsim.prio.>" prioritizedMessages="true">{_INDIVIDUAL}</policyEntry>
   <policyEntry queue="qsim.ttl.>" expireMessagesPeriod="200">{_INDIVIDUAL}</policyEntry>
   <policyEntry queue="qsim.noexp.>" expireMessagesPeriod="200">{_NOT_FOR_EXPIRED}</policyEntry>
   <policyEntry queue="qsim.full.>" memoryLimit="4kb" producerFlowControl="true">
    <pendingQueuePolicy><vmQueueCursor/></pendingQueuePolicy></policyEntry>
   <policyEntry queue="qsim.noext.>" usePrefetchExtension="false"/>
   <policyEntry queue="qsim.strict.>" strictOrderDispatch="true"/>
  </policyEntries></policyMap></destinationPolicy>
  <plugins><statisticsBrokerPlugin/></plugins>
  <persistenceAdapter><kahaDB directory="{{data}}/kahadb"/></persistenceAdapter>
  <systemUsage><systemUsage sendFailIfNoSpace="true"><memoryUsage><memoryUsage limit="64 mb"/></memoryUsage>
   <storeUsage><storeUsage limit="500 mb"/></storeUsage><tempUsage><tempUsage limit="100 mb"/></tempUsage>
  </systemUsage></systemUsage>
  <transportConnectors>
   <transportConnector name="openwire" uri="tcp://127.0.0.1:{{openwire}}"/>
   <transportConnector name="stomp" uri="stomp://127.0.0.1:{{stomp}}"/>
  </transportConnectors>
 </broker>
</beans>
"""


@dataclass(frozen=True)
class Needs:
    """``is_there`` says whether the program is; ``package`` is Debian's name of it."""

    start: Callable[[Place], str]
    is_there: Callable[[], object]
    package: str | None
    modules: tuple[str, ...]


def _rabbitmq_scripts() -> Path | None:
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))
    return found[-1] if found and shutil.which("erl") else None


BROKERS = {
    "sqs": Needs(moto, lambda: True, None, ("boto3", "moto", "flask")),
    "redis": Needs(redis, lambda: shutil.which("redis-server"), "redis-server", ("redis",)),
    "rabbitmq": Needs(rabbitmq, _rabbitmq_scripts, "rabbitmq-server", ("pika",)),
    "activemq": Needs(
        activemq,
        lambda: shutil.which("java") and (HOME_OF_ACTIVEMQ / "bin" / "activemq.jar").exists(),
        "activemq",
        ("jpype", "stomp"),
    ),
}


@contextmanager
def running(name: str) -> Iterator[str]:
    """A broker, by its url, until the end of the block."""
    needs = BROKERS[name]
    if any(find_spec(module) is None for module in needs.modules):
        raise Missing(f"{name}: no client; pip install 'qsim-lab[brokers]'")
    if not needs.is_there():
        raise Missing(f"{name}: no broker; apt-get install --no-install-recommends {needs.package}")
    place = Place(Path(tempfile.mkdtemp(prefix=f"qsim-{name}-")))
    try:
        yield needs.start(place)
    finally:
        place.close()


# --- small parts ------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all that it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, how)
            process.wait(10)
            return
