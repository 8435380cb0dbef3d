"""Instructions: VERIFY.txt, how to check a bundle with stock tools and without this program."""

from pipeline.evidence.sshsig import NAMESPACE
from pipeline.evidence.stamps import DIGESTS, README, SIGNATURE

NAME = "VERIFY.txt"

_TEXT = """\
HOW TO CHECK THIS BUNDLE

Bundle     {identifier}
Signed by  {principal}

You need three things that are NOT in this folder. They come by another way: in a letter, from a
website that you know. Save the two files beside this folder, not inside it.

  the fingerprint        64 hex digits
  ../allowed_signers     the public key of {principal}
  ../tsa-root.pem        root certificates of the timestamp authorities; none if UNTIMESTAMPED

Copies of keys and certificates inside this folder are for convenience. Whoever changes a bundle
changes them too.

Open a terminal in this folder (bash, zsh or sh) and type the lines that are set in, one by one.
They need coreutils, OpenSSH 8.1 or later, OpenSSL, and Python with `pip install bagit`. On macOS,
type `shasum -a 256` for `sha256sum`.

1. The fingerprint: compare what this prints with the letter, digit by digit.

    sha256sum tagmanifest-sha256.txt

2. Every listed file is as it was sealed: these print nothing.

    sha256sum --check --quiet --strict tagmanifest-sha256.txt
    sha256sum --check --quiet --strict manifest-sha256.txt
    sha256sum --check --quiet --strict {digests}

3. The bag is whole and nothing was added under data/: this ends with "is valid".

    python -m bagit --validate .

4. Nothing was added elsewhere: this prints three names and nothing else:
   {signature}, tagmanifest-sha256.txt and
   {digests}.

    {closed_world}

   And there is no link and no empty folder: this prints nothing.

    find . -type l -o -type d -empty

5. Who sealed it: this prints "Good" and the name.

    {signer}

   If the key has expired since, add the attested time: -O verify-time=YYYYMMDDHHMMSSZ

6. When it was signed at the latest: this prints "Verification: OK". If timestamps/README.txt begins
   with UNTIMESTAMPED, nobody attested the time, and this step falls away. The same for tsa2 and
   those after it, if there are any.

    {stamp}

WHAT THIS SHOWS, AND WHAT IT DOES NOT

The steps answer three separate questions. INTACT (1 to 4): is every byte as it was sealed? KNOWN
SIGNER (5): did somebody seal it whom you know? TIME ATTESTED (6): did it exist at that time?
None of them says that the findings are right: data/ says how they were made.

WHAT MAY DIFFER BETWEEN TWO BUNDLES OF THE SAME FINDINGS

data/ is the same byte for byte, whoever builds it and whenever, but for the custody log. These may
differ: bag-info.txt (day, name, previous bundle), this file (the names above), the custody log,
manifest-sha256.txt and tagmanifest-sha256.txt (they digest the others), signatures/, timestamps/.
"""

CLOSED_WORLD = (
    f"(cut -c67- manifest-sha256.txt tagmanifest-sha256.txt {DIGESTS};"
    " find . ! -type d | cut -c3-) | sort | uniq -u"
)
"""Prints every file that is listed and not there, or there and not listed."""


def verify_txt(identifier: str, principal: str) -> bytes:
    """Return the text of VERIFY.txt."""
    signer = (
        f"ssh-keygen -Y verify -f ../allowed_signers -I {principal} -n {NAMESPACE}"
        f" -s {SIGNATURE} < tagmanifest-sha256.txt"
    )
    stamp = (
        f"openssl ts -verify -data {SIGNATURE} -in timestamps/tsa1.tsr -CAfile ../tsa-root.pem"
        f" -attime \"$(sed -n 's/^tsa1 epoch //p' {README})\""
    )
    text = _TEXT.format(
        identifier=identifier,
        principal=principal,
        digests=DIGESTS,
        closed_world=CLOSED_WORLD,
        signature=SIGNATURE,
        signer=signer,
        stamp=stamp,
    )
    return text.encode("utf-8")
