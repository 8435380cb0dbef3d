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

7. The custody log of the run, data/7_custody/custody.jsonl: each of its lines holds the digest of
   the line before. This prints the digest of the last one, which bag-info.txt gives as
   Custody-Head-SHA256, and before it the number of each line that does not follow. A line that was
   torn by a power cut is one of those, and the line after it says so.

    {custody}

WHAT THIS SHOWS, AND WHAT IT DOES NOT

The steps answer three separate questions. INTACT (1 to 4): is every byte as it was sealed? KNOWN
SIGNER (5): did somebody seal it whom you know? TIME ATTESTED (6): did it exist at that time?
None of them says that the findings are right: data/ says how they were made.

The PDF files in data/ are written as PDF/A-2a and PDF/UA-1. No validator other than their writer
has seen these files; to have one look: verapdf --flavour 2a data/report.pdf

WHAT MAY DIFFER BETWEEN TWO BUNDLES OF THE SAME FINDINGS

data/ is the same byte for byte, whoever builds it and whenever, but for data/7_custody/: the log
also says who sealed what, where and when. These may differ: data/7_custody/; bag-info.txt (day,
name, previous bundle, size, head of the log); this file (the names above); manifest-sha256.txt and
tagmanifest-sha256.txt (they digest the others); signatures/; timestamps/.
"""

CLOSED_WORLD = (
    f"(cut -c67- manifest-sha256.txt tagmanifest-sha256.txt {DIGESTS};"
    " find . ! -type d | cut -c3-) | sort | uniq -u"
)
"""Prints every file that is listed and not there, or there and not listed."""


CUSTODY = (
    "python -c \"import hashlib; L=open('data/7_custody/custody.jsonl','rb').read()"
    ".removesuffix(b'\\n').split(b'\\n'); H=['0'*64]+[hashlib.sha256(x).hexdigest() for x in L];"
    " print(*[n for n,x in enumerate(L,1) if b'prev\\x22:\\x22'+H[n-1].encode() not in x],H[-1],"
    "sep='\\n')\""
)
"""Prints the numbers of lines that do not follow from the line before them, and the head."""


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
        custody=CUSTODY,
    )
    return text.encode("utf-8")
