"""TLS on the way to MariaDB and MySQL: who answers must be who was asked for."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.mysql_servers import start_mariadb, start_mysql
from tests.servers import MissingServerError
from tests.support.mysql import ask
from uow.drivers.mysql import create
from uow.errors import DriverError
from uow.statement import Statement
from uow.url import parse_url

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

CIPHER = Statement("SHOW SESSION STATUS LIKE 'Ssl_cipher'")


@pytest.fixture(
    scope="module", params=["mariadb", pytest.param("mysql", marks=pytest.mark.thorough)]
)
def encrypted(request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """The URL of a server with a certificate for `localhost`, and its folder of certificates."""
    request.getfixturevalue(f"{request.param}_server_url")
    start = {"mariadb": start_mariadb, "mysql": start_mysql}[request.param]
    folder = Path(tempfile.mkdtemp(prefix="uow-tls-"))
    folder.chmod(0o755)
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    stranger.cert_pem.write_to_path(folder / "stranger.pem")
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    for file in folder.iterdir():
        file.chmod(0o644)
    settings = {"ssl-cert": str(folder / "cert.pem"), "ssl-key": str(folder / "key.pem")}
    try:
        with start(settings) as url:
            yield url, folder
    except MissingServerError as error:
        pytest.skip(f"{error}; another server is not ours to encrypt")
    finally:
        shutil.rmtree(folder)


async def test_certificates_are_checked(encrypted: tuple[str, Path], anyio_backend: str) -> None:
    """An authority of one's own is trusted, for the name that was asked for; no other is."""
    url, folder = encrypted
    named = url.replace("127.0.0.1", "localhost")
    connection = await create(parse_url(named), {"ssl_ca": folder / "ca.pem"}).connect()
    ((_, cipher),) = await connection.fetch(CIPHER)
    assert cipher
    await connection.run(Statement("SET @x = 1"))
    await connection.reset()
    await connection.aclose()
    for address, options in (
        (named, {"ssl_ca": folder / "stranger.pem"}),
        (named, {"sslmode": "verify-identity"}),
        (url, {"ssl_ca": folder / "ca.pem"}),
    ):
        with pytest.raises(DriverError, match="cannot be reached"):
            await create(parse_url(address), options).connect()
    loose = {"ssl_ca": folder / "ca.pem", "sslmode": "verify-ca"}
    connection = await create(parse_url(url), loose).connect()
    await connection.aclose()
    connection = await create(parse_url(url), {"sslmode": "disabled"}).connect()
    ((_, cipher),) = await connection.fetch(CIPHER)
    assert not cipher
    await connection.aclose()


async def test_servers_without_tls(mariadb_server_url: str, anyio_backend: str) -> None:
    """Where it is asked for nothing goes without it."""
    with pytest.raises(DriverError):
        await create(
            parse_url(mariadb_server_url), {"sslmode": "required", "connect_timeout": "2s"}
        ).connect()


@pytest.mark.thorough
async def test_passwords_of_mysql(mysql_server_url: str, anyio_backend: str) -> None:
    """`caching_sha2_password` lets us in the first time and from its cache, with and without TLS.

    Without TLS the password goes under the server's public key the first time.
    """
    named = mysql_server_url.replace("root@", "keeper:s3cret@")
    wrong = mysql_server_url.replace("root@", "keeper:other@")
    try:
        for mode in ("disabled", "required"):
            await ask(
                mysql_server_url,
                "DROP USER IF EXISTS keeper",
                "CREATE USER keeper IDENTIFIED WITH caching_sha2_password BY 's3cret'",
                "GRANT ALL ON test.* TO keeper",
            )
            with pytest.raises(DriverError, match="does not let the user in"):
                await create(parse_url(wrong), {"sslmode": mode}).connect()
            for _ in range(2):
                connection = await create(parse_url(named), {"sslmode": mode}).connect()
                ((_, cipher),) = await connection.fetch(CIPHER)
                assert bool(cipher) is (mode == "required")
                await connection.aclose()
    finally:
        await ask(mysql_server_url, "DROP USER IF EXISTS keeper")
