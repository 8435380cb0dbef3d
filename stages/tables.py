"""Every table that travels between stages; read this to know the data.

A row's id says where it came from; `sha256` says what it is and may repeat: repeats are what we
look for. `work_id` groups the occurrences and near-duplicates of one work. `half` is `train` for
material the model may have learnt from and `control` for works that it cannot have seen.
"""

import pyarrow as pa

from stages.contract import Table, column

TEXT = pa.large_string()
BYTES = pa.large_binary()
VECTOR = pa.large_list(pa.float32())

IMAGE_ID = column("image_id", TEXT, "where the image came from: sha256 of its place", unit="hex")
SHA256 = column("sha256", TEXT, "digest of the untouched bytes; may repeat", unit="hex")
MODEL_ID = column("model_id", TEXT, "digest of the model's files; `imported` for foreign images")
PROMPT_ID = column("prompt_id", TEXT, "digest of what the model was asked", unit="hex")
SAMPLE = column("sample", pa.int32(), "number of the generation within its prompt", unit="0..n-1")
PHASE = column("phase", TEXT, "`discovery` seeds set thresholds, `confirmation` seeds are judged")
WORK_ID = column("work_id", TEXT, "smallest image_id of the cluster of near-duplicates", unit="hex")
HALF = column("half", TEXT, "`train` or `control`")
BLOB = column("bytes", BYTES, "the untouched original file")
FORMAT = column("format", TEXT, "file format as decoded: png, jpeg, webp, gif, tiff, bmp")
WIDTH = column("width", pa.int32(), "width as stored", unit="pixels")
NO_INTERVAL = "n is 0, the generations were imported, or the judged seeds nominated the work"
UNTESTED = "no work is named, or it belongs to no unit that was tested"
NO_FAMILY = "the artist is not stated, or the work belongs to no unit that was tested"
UNTOLD = "there is too little to learn from, or nothing differs"
HEIGHT = column("height", pa.int32(), "height as stored", unit="pixels")
MADE_ID = column(
    "made_id", TEXT, "generation: image_id of an image, output_id of a text", unit="hex"
)
TEXT_ID = column("text_id", TEXT, "where the text came from: sha256 of its place", unit="hex")
OUTPUT_ID = column(
    "output_id",
    TEXT,
    "digest of model, prompt, settings and attempt, or of the place of an imported row",
    unit="hex",
)
SET = column("set", TEXT, "outputs that are searched together: writer or file, and number")
NO_TEXT = "a match of images"
NO_IMAGE = "a match of texts"
NO_BYTES = "the text was extracted from another format"
NO_TOKENS = "no tokenizer was named, or a match of images"
NOT_WHOLE = (
    "the text is long and its longest run with the output short (`passages.whole_words`), so it was"
    " not read whole; or a match of images"
)

TEXT_MEASURES = (
    ("output_words", pa.int32(), "words of the output"),
    ("text_words", pa.int64(), "words of the text that was compared"),
    (
        "run_words",
        pa.int32(),
        "words of the longest exact run that is not echoed; below 8 it may be missed in long texts",
    ),
    ("run_chars", pa.int32(), "code points of that run in the output"),
    ("run_tokens", pa.int32(), "tokens of that run"),
    ("words_8", pa.int32(), "output words in exact runs of 8 words or more, echoes left out"),
    ("words_13", pa.int32(), "the same for 13 words"),
    ("words_20", pa.int32(), "the same for 20 words"),
    ("words_32", pa.int32(), "the same for 32 words"),
    ("words_50", pa.int32(), "the same for 50 words"),
    ("near_words", pa.int32(), "output words matched inside near-verbatim blocks, echoes left out"),
    ("near_block_words", pa.int32(), "matched words of the largest near-verbatim block"),
    ("near_recall", pa.float32(), "matched words of blocks of 100 or more over words of the text"),
    ("acs_words", pa.int32(), "output words in common runs of 4 or more of the best alignment"),
    ("echoed_words", pa.int32(), "output words in runs that also stand in the prompt or context"),
    ("rouge_l", pa.float32(), "F1 of the longest common subsequence of words"),
    ("jaccard", pa.float32(), "Jaccard similarity of the two sets of word 5-grams"),
    ("surprisal", pa.float32(), "bits of the longest run under the words of the control half"),
    ("num_holders", pa.int32(), "distinct works of both halves that hold the longest run"),
    ("tags", TEXT, "why the longest run may say little: quoted, common, boilerplate, echoed, twin"),
)
"""Measures of a match of texts; a word is what `indexes.words` calls one."""

_NULLS = {"run_tokens": NO_TOKENS, "rouge_l": NOT_WHOLE, "jaccard": NOT_WHOLE}

FILES = Table(
    name="files",
    grain="one file of a source, or one run of row groups of a Parquet file",
    key=("place",),
    schema=pa.schema(
        [
            column("place", TEXT, "source number, path within the source and first row group"),
            column("source", pa.int32(), "number of the source in the case", unit="0.."),
            column("path", TEXT, "path within the source"),
            column(
                "first",
                pa.int32(),
                "first row group of a Parquet file or block of 64 MiB of JSON lines, else 0",
            ),
            column(
                "count",
                pa.int32(),
                "row groups or blocks; 0 for all blocks that follow, 1 for another file",
            ),
            column("size", pa.int64(), "size of the file", unit="bytes"),
            column("mtime_ns", pa.int64(), "time of last change", unit="ns since 1970"),
        ]
    ),
)

IMAGES = Table(
    name="images",
    grain="one occurrence of an image in a source",
    key=("image_id",),
    schema=pa.schema(
        [
            IMAGE_ID,
            column("place", TEXT, "file, member and row that the image was read from"),
            SHA256,
            FORMAT,
            WIDTH,
            HEIGHT,
            column("pdq", TEXT, "PDQ perceptual hash, 256 bits", unit="hex"),
            column(
                "pdq_quality",
                pa.int32(),
                "PDQ quality; below 50 the hash says little",
                unit="0..100",
            ),
            column("caption", TEXT, "caption as delivered", null="the source has none"),
            column("title", TEXT, "title of the work", null="the source has none"),
            column(
                "artist", TEXT, "artist as the source writes the name", null="the source has none"
            ),
            column("year", pa.int32(), "year of the work", null="the source has none"),
            column("licence", TEXT, "licence as the source states it", null="the source has none"),
            column("url", TEXT, "address in the source", null="the source has none"),
            BLOB,
        ]
    ),
    blobs=("bytes",),
)

PROMPTS = Table(
    name="prompts",
    grain="one generation to make",
    key=("prompt_id", "sample"),
    schema=pa.schema(
        [
            PROMPT_ID,
            SAMPLE,
            PHASE,
            column("block", pa.int32(), "block of samples that are made together", unit="0.."),
            column("seed", pa.uint64(), "seed of the noise, from run seed, prompt and sample"),
            column("text", TEXT, "what the model is given", null="class-conditional or nothing"),
            column("suffix", TEXT, "how the work goes on after that text", null="not asked for"),
            column(
                "class_label", pa.int32(), "class given to the model", null="caption or nothing"
            ),
            column("work_id", TEXT, "work whose caption this is", null="no work is named"),
            column("half", TEXT, "half of that work: `train`, `control`", null="no work is named"),
            column(
                "origin",
                TEXT,
                "duplicated, random, file, template, class, nothing; prefix, opening, free;"
                " planted, planted_template, planted_partial",
            ),
        ]
    ),
    groups=("prompt_id",),
)

TURNS = Table(
    name="turns",
    grain="one planned generation whose turn has come",
    key=("prompt_id", "sample"),
    schema=pa.schema(
        [
            PROMPT_ID,
            SAMPLE,
            PHASE,
            column("block", pa.int32(), "block of samples that are made together", unit="0.."),
            column("pack", TEXT, "generations that share a part"),
            column("seed", pa.uint64(), "seed of the noise, from run seed, prompt and sample"),
            column("text", TEXT, "what the model is given", null="class-conditional or nothing"),
            column(
                "class_label", pa.int32(), "class given to the model", null="caption or nothing"
            ),
        ]
    ),
    groups=("prompt_id",),
)

GENERATIONS = Table(
    name="generations",
    grain="one generated image",
    key=("image_id",),
    schema=pa.schema(
        [
            IMAGE_ID,
            MODEL_ID,
            PROMPT_ID,
            SAMPLE,
            PHASE,
            column("seed", pa.uint64(), "seed of the noise", null="imported: not known"),
            SHA256,
            FORMAT,
            WIDTH,
            HEIGHT,
            column(
                "guidance_norms",
                VECTOR,
                "norm of (conditional - unconditional) prediction at each evaluation, shape [T], of"
                " what the network predicts: noise, v or flow; Wen et al. 2024 for noise",
                null="the model has no unconditional branch, or the image was imported",
            ),
            BLOB,
        ]
    ),
    groups=("prompt_id",),
    blobs=("bytes",),
)

EMBEDDINGS = Table(
    name="embeddings",
    grain="one image",
    key=("image_id",),
    schema=pa.schema(
        [IMAGE_ID, column("vector", VECTOR, "descriptor of the image, shape [D], L2 norm 1")]
    ),
)

WORKS = Table(
    name="works",
    grain="one ingested image and the work it belongs to",
    key=("image_id",),
    schema=pa.schema(
        [
            IMAGE_ID,
            HALF,
            WORK_ID,
            SHA256,
            column(
                "num_exact", pa.int32(), "images of the same half with the same bytes, itself too"
            ),
            column("num_near", pa.int32(), "images of the same half in the same work, itself too"),
            column("num_pdq", pa.int32(), "images of the same half that PDQ alone calls near"),
            column("num_clip", pa.int32(), "images of the same half that CLIP alone calls near"),
            column("mixed", pa.bool_(), "true if the work has images in both halves"),
        ]
    ),
)

NEIGHBORS = Table(
    name="neighbors",
    grain="one generation and one of its nearest indexed images by descriptor",
    key=("image_id", "neighbor_id"),
    schema=pa.schema(
        [
            IMAGE_ID,
            PROMPT_ID,
            column("neighbor_id", TEXT, "image_id of the indexed image", unit="hex"),
            WORK_ID,
            HALF,
            column("rank", pa.int32(), "1 is nearest; ties share the smallest rank", unit="1.."),
            column("similarity", pa.float32(), "cosine of the two descriptors", unit="[-1, 1]"),
        ]
    ),
    groups=("prompt_id",),
)

CLIQUES = Table(
    name="cliques",
    grain="one generation and the largest clique of its prompt",
    key=("image_id",),
    schema=pa.schema(
        [
            IMAGE_ID,
            MODEL_ID,
            PROMPT_ID,
            SAMPLE,
            column("degree", pa.int32(), "generations of the prompt within the edge threshold"),
            column(
                "clique_size", pa.int32(), "size of the largest clique of the prompt", unit="1.."
            ),
            column("in_clique", pa.bool_(), "true if this generation belongs to that clique"),
            column(
                "clique_distance",
                pa.float32(),
                "mean tiled l2 between members of the clique",
                unit="[0, 1]",
                null="the clique has one member",
            ),
            column(
                "complete",
                pa.bool_(),
                "false if the search for larger cliques was cut short by its limit",
            ),
        ]
    ),
    groups=("prompt_id",),
)

MATCHES = Table(
    name="matches",
    grain="one generation and one work that may have come back in it",
    key=("made_id", "work_id"),
    schema=pa.schema(
        [
            MADE_ID,
            MODEL_ID,
            PROMPT_ID,
            SAMPLE,
            PHASE,
            WORK_ID,
            HALF,
            column("neighbor_id", TEXT, "image or text of the work that was compared", unit="hex"),
            column("via", TEXT, "how the pair was nominated: descriptor, pixels, caption, words"),
            column("best", pa.bool_(), "true for the work that lies closest; ties all true"),
            column(
                "similarity",
                pa.float32(),
                "cosine of the two descriptors",
                unit="[-1, 1]",
                null="the work is not among the descriptor's neighbours, or " + NO_IMAGE,
            ),
            column(
                "l2",
                pa.float32(),
                "root mean square pixel difference",
                unit="[0, 1]",
                null=NO_IMAGE,
            ),
            column(
                "tiled_l2", pa.float32(), "largest l2 of 16 tiles", unit="[0, 1]", null=NO_IMAGE
            ),
            column(
                "adaptive_ratio",
                pa.float32(),
                "l2 over alpha times the mean l2 to the nearest other works; below 1 is a copy"
                " after Carlini et al. 2023, section 5.1",
                null="fewer other works than the mean needs, or " + NO_IMAGE,
            ),
            *(
                column(name, dtype, meaning, null=_NULLS.get(name, NO_TEXT))
                for name, dtype, meaning in TEXT_MEASURES
            ),
        ]
    ),
    groups=("prompt_id",),
)

SCORES = Table(
    name="scores",
    grain="one generation and one work by one method; or all generations of a prompt by one",
    key=("score_id",),
    schema=pa.schema(
        [
            column(
                "score_id",
                TEXT,
                "digest of model, prompt, phase, generation, work and method",
                unit="hex",
            ),
            column("made_id", TEXT, "generation", unit="hex", null="all of the prompt and phase"),
            MODEL_ID,
            PROMPT_ID,
            column("sample", pa.int32(), "number of the generation", null="all of the phase"),
            PHASE,
            column(
                "work_id", TEXT, "work that was compared", null="generations of a prompt of no work"
            ),
            column("half", TEXT, "half of that work", null="no work is named"),
            column("neighbor_id", TEXT, "image of the work", null="no image was compared"),
            column("method", TEXT, "name in the table of methods"),
            column(
                "score",
                pa.float32(),
                "as published; the table of methods says which end is closer",
                null="the method gives none",
            ),
            column(
                "hit",
                pa.bool_(),
                "true if the rule of a method with a verdict of its own, template or partial, holds"
                " and no other work lies closer",
            ),
            column(
                "detail",
                TEXT,
                "JSON: of partial how the two lie on each other, boxes and matrix in pixels of the"
                " files; of template how much is fixed",
                null="the method gives none",
            ),
            column(
                "mask",
                BYTES,
                "PNG of the size of the pixel index, white where the layout is fixed",
                null="not of a template",
            ),
        ]
    ),
    groups=("prompt_id",),
    blobs=("mask",),
)

THRESHOLDS = Table(
    name="thresholds",
    grain="one model and method",
    key=("model_id", "method"),
    schema=pa.schema(
        [
            MODEL_ID,
            column("method", TEXT, "name of the measure, such as adaptive_ratio"),
            column("threshold", pa.float32(), "a match lies strictly below it"),
            column(
                "control_best",
                pa.float32(),
                "smallest value of any control work in the confirmation seeds",
                null="no control work was matched",
            ),
            column("num_controls", pa.int32(), "control works in the joint index"),
            column(
                "num_control_prompts", pa.int32(), "captions of control works that were sampled"
            ),
            column("num_generations", pa.int32(), "generations that the threshold was set on"),
        ]
    ),
)

FINDINGS = Table(
    name="findings",
    grain="one prompt of a model and one work, or the prompt alone",
    key=("finding_id",),
    schema=pa.schema(
        [
            column("finding_id", TEXT, "digest of model, prompt, work and method", unit="hex"),
            MODEL_ID,
            PROMPT_ID,
            column("work_id", TEXT, "work that the verdict names", null="no work is named"),
            column("half", TEXT, "half of that work", null="no work is named"),
            column("method", TEXT, "measure that the verdict rests on"),
            column(
                "verdict",
                TEXT,
                "verbatim, template, partial, verbatim_text, near_text, low_diversity, none,"
                " not_examined",
            ),
            column("k", pa.int32(), "confirmation seeds that gave the work back"),
            column("n", pa.int32(), "confirmation seeds that were examined"),
            column(
                "k_low",
                pa.float64(),
                "95 % lower limit of k/n: Clopper-Pearson, or a confidence sequence where looking"
                " chose n",
                null=NO_INTERVAL,
            ),
            column("k_high", pa.float64(), "95 % upper limit of k/n", null=NO_INTERVAL),
            column(
                "score", pa.float32(), "best value over the confirmation seeds", null="no match"
            ),
            column(
                "threshold",
                pa.float32(),
                "a match lies strictly below it; of words, at it or above; of partial, above it",
                null="none was set",
            ),
            column("control_best", pa.float32(), "best value of any control work", null="none"),
            column("num_controls", pa.int32(), "control works that the score was compared with"),
            column("best_made_id", TEXT, "generation with the best value", null="no match"),
            column("neighbor_id", TEXT, "indexed image or text of that pair", null="no match"),
            column("clique_size", pa.int32(), "largest clique of the prompt", null="not computed"),
            column("own_caption", pa.bool_(), "true if the prompt is this work's own caption"),
            column("unit_id", TEXT, "unit that the work is tested with", null=UNTESTED),
            column("num_units", pa.int32(), "test units K of the list", null=UNTESTED),
            column("num_control_units", pa.int32(), "control units m", null=UNTESTED),
            column("num_exceeding", pa.int32(), "control units that lie as close", null=UNTESTED),
            column("p", pa.float64(), "conformal p-value of the unit", null=UNTESTED),
            column(
                "p_bound",
                pa.float64(),
                "95 % limit, for these controls, of the share of unrelated works that lie as close",
                null=UNTESTED,
            ),
            column(
                "q",
                pa.float64(),
                "false discovery rate of the list; 1 where the unit has a stronger verdict",
                null=UNTESTED,
            ),
            column(
                "gamma_star",
                pa.float64(),
                "hidden bias that the finding withstands",
                null="not a finding, a coin split the works before training, or " + UNTESTED,
            ),
            column("reason", TEXT, "why the verdict is what it is, for a person"),
        ]
    ),
    groups=("prompt_id",),
)

UNITS = Table(
    name="units",
    grain="one work that is tested, in the unit that it is tested with",
    key=("work_id",),
    schema=pa.schema(
        [
            WORK_ID,
            column("unit_id", TEXT, "smallest work_id of the unit", unit="hex"),
            column("label", TEXT, "`test`, `control`; `mixed` has works of both and is not tested"),
            column("rank", TEXT, "committed random draw of the unit; the smaller goes first"),
            column(
                "prompt_ids",
                pa.large_list(TEXT),
                "prompts of the unit in the order of a committed draw; none: all made counts",
            ),
        ]
    ),
)

LEANINGS = Table(
    name="leanings",
    grain="one model, and whether what it makes leans to the training half",
    key=("model_id",),
    schema=pa.schema(
        [
            MODEL_ID,
            column("votes_train", pa.int32(), "distinct nearest works of the training half"),
            column("votes", pa.int32(), "distinct works that lie nearest to some generation"),
            column("across", pa.int32(), "generations without a vote: a tie across the halves"),
            column("within", pa.int32(), "generations without a vote: a tie inside one half"),
            column("num_train", pa.int32(), "works of the training half alone"),
            column("num_control", pa.int32(), "works of the control half alone"),
            column(
                "p",
                pa.float64(),
                "chance of so many training works if the labels were dealt at random",
                null="there is no vote or no control work",
            ),
            column(
                "gamma",
                pa.float64(),
                "how many times likelier than a control work a training work could have been to"
                " vote, before this says nothing at 0.05",
                null="there is no vote",
            ),
            column(
                "least_list",
                pa.int32(),
                "fewest prompts that signed competition can name, 1 / q",
                null="the halves are not of one size",
            ),
            column(
                "named",
                pa.large_list(TEXT),
                "prompts that signed competition names (knockoff+)",
                null="the halves are not of one size",
            ),
        ]
    ),
)

BLIND = Table(
    name="blind",
    grain="one kind of material by which units may be told apart without the model",
    key=("material",),
    schema=pa.schema(
        [
            column(
                "material",
                TEXT,
                "captions, pictures; prompts, texts; with what was repaired, if it was",
            ),
            column("num_test", pa.int32(), "works or prompts of test units"),
            column("num_control", pa.int32(), "works or prompts of control units"),
            column(
                "auc",
                pa.float64(),
                "chance that a test unit looks more like one than a control unit does",
                null=UNTOLD,
            ),
            column("low", pa.float64(), "95 % lower limit, over units", null=UNTOLD),
            column("high", pa.float64(), "95 % upper limit, over units", null=UNTOLD),
            column(
                "judgement",
                TEXT,
                "calibrated, warning, not calibrated; or why it was not tested, or that a repair"
                " came after it",
            ),
        ]
    ),
)

BALANCE = Table(
    name="balance",
    grain="one unit, how it looks to who never saw the model, and how its controls were repaired",
    key=("unit_id",),
    schema=pa.schema(
        [
            column("unit_id", TEXT, "smallest work_id of the unit", unit="hex"),
            column("label", TEXT, "`test` or `control`"),
            column("look", pa.float64(), "log-odds of being a test unit, its own label unseen"),
            column("repair", TEXT, "`none`, `rematch`, `strata`, `weighted`"),
            column("kept", pa.bool_(), "false if re-matching left it out"),
            column("stratum", pa.int32(), "held against the controls of it alone", unit="0.."),
            column("weight", pa.float64(), "what it counts; controls have a mean of 1"),
        ]
    ),
)

ASSESSMENTS = Table(
    name="assessments",
    grain="one unit, what one model gave back of it, and how that stands against the controls",
    key=("model_id", "method", "unit_id"),
    schema=pa.schema(
        [
            MODEL_ID,
            column("method", TEXT, "measure of the score"),
            column("primary", pa.bool_(), "true if verdicts rest on it; others are not adjusted"),
            column("unit_id", TEXT, "smallest work_id of the unit", unit="hex"),
            column("label", TEXT, "`test`, `control`; `mixed` has works of both and is not tested"),
            column("n", pa.int32(), "confirmation generations of the prompts that are judged"),
            column(
                "score", pa.float32(), "closest of them to the works of the unit", null="no match"
            ),
            column("work_id", TEXT, "work of that pair", null="no match"),
            column("made_id", TEXT, "generation of that pair", null="no match"),
            column("neighbor_id", TEXT, "indexed image or text of that pair", null="no match"),
            column("excluded", TEXT, "why the unit is in no test and no null", null="it is in it"),
            column("num_units", pa.int32(), "test units K of the list"),
            column("num_controls", pa.int32(), "control units m that the score is compared with"),
            column(
                "num_exceeding",
                pa.int32(),
                "control units r that lie as close or closer",
                null="not a test unit, or excluded",
            ),
            column(
                "p",
                pa.float64(),
                "conformal p-value (1 + r) / (m + 1); of weights where controls are weighted",
                null="not a test unit, or excluded",
            ),
            column(
                "p_bound",
                pa.float64(),
                "95 % limit, for these controls, of the share of unrelated works that lie as close;"
                " 1 where they cannot say",
                null="not a test unit, or excluded",
            ),
            column(
                "q",
                pa.float64(),
                "smallest false discovery rate of a list that holds this unit (Benjamini-Hochberg);"
                " with weighted controls the level of the list that it is on, or 1",
                null="not a test unit, excluded, or the method is secondary",
            ),
            column(
                "gamma_star",
                pa.float64(),
                "how many times likelier to be trained on a unit may be, for traits that nobody"
                " saw, until it is no finding",
                null="not a finding, or a coin split the works before training",
            ),
        ]
    ),
)

COPIES = Table(
    name="copies",
    grain="one copy of a known work that was planted, and whether the run's own rule found it; of a"
    " layout, which several images share, these images",
    key=("model_id", "method", "work_id", "edit"),
    schema=pa.schema(
        [
            column("model_id", TEXT, "model whose mark it has to pass"),
            column("method", TEXT, "measure of the score"),
            WORK_ID,
            HALF,
            column("edit", TEXT, "what was done to the copy"),
            column("made_id", TEXT, "the copy", null="it was not made or compared, or is a text"),
            column("score", pa.float32(), "how close it lies to its own work", null="not compared"),
            column("hit", pa.bool_(), "true if it would count as one that came back"),
        ]
    ),
)

LIMITS = Table(
    name="limits",
    grain="one model and method, and what could have been seen of it",
    key=("model_id", "method"),
    schema=pa.schema(
        [
            MODEL_ID,
            column("method", TEXT, "measure of the score"),
            column("n", pa.int32(), "confirmation seeds of a prompt that the limit is for"),
            column(
                "k_star",
                pa.int32(),
                "fewest seeds that would have given a verdict, had they passed every mark",
                null="no number of them would have: no limit",
            ),
            column(
                "cutoff",
                pa.float64(),
                "largest p that one finding more could have had",
                null="no unit was tested",
            ),
            column(
                "mark",
                pa.float32(),
                "score of a control unit that a finding has to beat for that p",
                null="none has to be beaten, or none would do",
            ),
            column("num_works", pa.int32(), "works of which copies were planted"),
            column("num_copies", pa.int32(), "copies that were planted or could not be made"),
            column("recall", pa.float64(), "works recognised in any copy", null="none planted"),
            column(
                "recall_low",
                pa.float64(),
                "one-sided 97.5 % lower limit of that share",
                null="none planted",
            ),
            column(
                "sensitivity",
                pa.float64(),
                "copies recognised, of the works that were recognised in any",
                null="none planted, or no work recognised",
            ),
            column(
                "sensitivity_low",
                pa.float64(),
                "one-sided 97.5 % lower limit of that share, over works",
                null="none planted, or no work recognised",
            ),
            column(
                "pi_95",
                pa.float64(),
                "rate per seed from which on a work would have been found with chance 0.95",
                null="no rate would do: no limit",
            ),
            column("pi_50", pa.float64(), "the same with chance 0.5", null="no rate would do"),
            column("by_edit", TEXT, "copies recognised of those planted, by edit"),
            column("sentence", TEXT, "what may be said of it, for a person"),
        ]
    ),
)

ARTISTS = Table(
    name="artists",
    grain="one work of one artist and what came back of it",
    key=("model_id", "work_id"),
    schema=pa.schema(
        [
            MODEL_ID,
            WORK_ID,
            HALF,
            column("artist", TEXT, "artist as the source writes the name", null="not stated"),
            column("title", TEXT, "title of the work", null="not stated"),
            column("image_id", TEXT, "image or text that stands for the work", unit="hex"),
            column("num_images", pa.int32(), "images or texts of the work in its half"),
            column("verdict", TEXT, "strongest verdict of any prompt; not_examined if none looked"),
            column("k", pa.int32(), "seeds of the strongest finding that gave the work back"),
            column("n", pa.int32(), "seeds of that finding that were examined"),
            column("finding_id", TEXT, "that finding", null="the work was not examined"),
            column("artist_units", pa.int32(), "tested units of the artist", null=NO_FAMILY),
            column(
                "artist_q",
                pa.float64(),
                "false discovery rate, over artists, of a list that holds this artist",
                null=NO_FAMILY,
            ),
            column(
                "q",
                pa.float64(),
                "false discovery rate within the artist's own list, to be held against the level"
                " of the run",
                null=NO_FAMILY,
            ),
        ]
    ),
)

TEXTS = Table(
    name="texts",
    grain="one piece of one occurrence of a text in a source; most texts are one piece",
    key=("piece_id",),
    schema=pa.schema(
        [
            column("piece_id", TEXT, "text_id and number of the piece"),
            TEXT_ID,
            column("piece", pa.int32(), "number of the piece in its text", unit="0.."),
            column("num_pieces", pa.int32(), "pieces of the text", unit="1.."),
            column("first_char", pa.int64(), "where the piece starts", unit="code points"),
            column("first_byte", pa.int64(), "where the piece starts", unit="bytes", null=NO_BYTES),
            column("first_word", pa.int64(), "words of the text before the piece"),
            column("own_from", pa.int64(), "first word that is this piece's to report"),
            column("own_to", pa.int64(), "word after the last that is this piece's to report"),
            column("num_words", pa.int64(), "words of the whole text"),
            column(
                "samples",
                pa.large_list(pa.int32()),
                "where every 64th word of the piece begins, counted in the piece, from its first",
                unit="code points",
                null="the piece has 512 words or fewer",
            ),
            column("place", TEXT, "file, member and row that the text was read from"),
            column("sha256", TEXT, "digest of the whole text's bytes; may repeat", unit="hex"),
            column("format", TEXT, "txt, md, jsonl, parquet, html, pdf"),
            column("encoding", TEXT, "encoding of the bytes, as Python names it", null=NO_BYTES),
            column("title", TEXT, "title of the work", null="the source has none"),
            column("author", TEXT, "author as the source writes it", null="the source has none"),
            column("date", TEXT, "date of the work as stated", null="the source has none"),
            column("licence", TEXT, "licence as the source states it", null="the source has none"),
            column("url", TEXT, "address in the source", null="the source has none"),
            column("text", TEXT, "the piece, decoded; a byte that cannot be is one U+FFFD"),
            column(
                "bytes",
                BYTES,
                "the untouched original, in piece 0",
                null="the text encoded as UTF-8 is the original, or not piece 0",
            ),
        ]
    ),
    blobs=("text", "bytes"),
)

TEXT_WORKS = Table(
    name="text_works",
    grain="one ingested text and the work it belongs to",
    key=("text_id",),
    schema=pa.schema(
        [
            TEXT_ID,
            HALF,
            column("work_id", TEXT, "smallest text_id of the cluster of near-duplicates"),
            column("sha256", TEXT, "digest of the text's bytes", unit="hex"),
            column("num_exact", pa.int32(), "texts of the same half and bytes, itself too"),
            column("num_near", pa.int32(), "texts of the same half in the same work, itself too"),
            column("mixed", pa.bool_(), "true if the work has texts in both halves"),
        ]
    ),
)

OUTPUTS = Table(
    name="outputs",
    grain="one attempt at one prompt, also one that gave nothing",
    key=("output_id",),
    schema=pa.schema(
        [
            OUTPUT_ID,
            SET,
            MODEL_ID,
            PROMPT_ID,
            SAMPLE,
            PHASE,
            column("seed", pa.uint64(), "seed of the sampler", null="greedy, or not known"),
            column("settings", TEXT, "how it was decoded, as canonical JSON"),
            column("prompt", TEXT, "what the model was given", null="nothing"),
            column("context", TEXT, "other text that the model was shown", null="none"),
            column("text", TEXT, "what it wrote", null="the attempt failed"),
            column("failure", TEXT, "refusal or error of the attempt", null="it did not fail"),
            column("work_id", TEXT, "work that the prompt was cut from", null="no work is named"),
            column("half", TEXT, "half of that work", null="no work is named"),
            column("origin", TEXT, "prefix, opening, free, file"),
            column("num_tokens", pa.int32(), "tokens written", null="imported"),
            column(
                "suffix_logprob",
                pa.float64(),
                "log probability of the true suffix under the sampling scheme, Hayes et al. 2024",
                unit="nats",
                null="no suffix, imported, or the scheme gives it probability 0",
            ),
            column("suffix_tokens", pa.int32(), "tokens of the true suffix", null="none"),
        ]
    ),
    groups=("prompt_id", "set"),
)

RUNS = Table(
    name="runs",
    grain="one run of equal words of an output and a text, as long as it can be",
    key=("output_id", "text_id", "output_word", "text_word"),
    schema=pa.schema(
        [
            SET,
            OUTPUT_ID,
            TEXT_ID,
            column("output_word", pa.int32(), "first word in the output", unit="0.."),
            column("text_word", pa.int64(), "first word in the whole text", unit="0.."),
            column("words", pa.int32(), "words of the run; a piece of a text may cut it short"),
        ]
    ),
    groups=("set",),
)

SPANS = Table(
    name="spans",
    grain="one passage of an output that stands in a work, and where",
    key=("output_id", "text_id", "kind", "output_start", "text_start"),
    schema=pa.schema(
        [
            SET,
            OUTPUT_ID,
            PROMPT_ID,
            TEXT_ID,
            WORK_ID,
            HALF,
            column("kind", TEXT, "verbatim: equal words; near: equal but for the edits"),
            column("in_order", pa.bool_(), "false if the work has it before an earlier passage"),
            column("words", pa.int32(), "matched words"),
            column("echoed_words", pa.int32(), "of these, words that stand in prompt or context"),
            column("output_start", pa.int64(), "first code point in the output"),
            column("output_end", pa.int64(), "code point after the last in the output"),
            column("output_start_byte", pa.int64(), "first byte of the output as UTF-8"),
            column("output_end_byte", pa.int64(), "byte after the last of the output as UTF-8"),
            column("text_start", pa.int64(), "first code point in the whole text"),
            column("text_end", pa.int64(), "code point after the last in the whole text"),
            column("text_start_byte", pa.int64(), "first byte of the original", null=NO_BYTES),
            column("text_end_byte", pa.int64(), "byte after the last", null=NO_BYTES),
            column("text_word", pa.int64(), "first word in the whole text", unit="0.."),
            column("edits", TEXT, "JSON list of [kind, start, end, start, end] in code points"),
            column("level", TEXT, "exact, spacing or folded: what must be evened out to be equal"),
            column("surprisal", pa.float32(), "bits under the words of the control half"),
            column("num_holders", pa.int32(), "distinct works of both halves that hold it"),
            column("tags", TEXT, "quoted, common, boilerplate, echoed, twin; commas between"),
        ]
    ),
    groups=("set",),
)

CHANCES = Table(
    name="chances",
    grain="one length of run and how often unrelated works share one",
    key=("words",),
    schema=pa.schema(
        [
            column("words", pa.int32(), "length of the run", unit="words"),
            column(
                "num_events", pa.int64(), "blocks of 1,000 words of unseen works with such a run"
            ),
            column("num_blocks", pa.int64(), "blocks of 1,000 words looked at"),
            column("num_works", pa.int32(), "unseen works that they come from"),
            column("rate", pa.float64(), "events over blocks", unit="per 1,000 words"),
            column("low", pa.float64(), "95 % lower limit, bootstrap over works"),
            column("high", pa.float64(), "95 % upper limit; 3 over blocks where nothing was seen"),
            column("corpus_words", pa.int64(), "words of the corpus that they were searched in"),
        ]
    ),
)

REJECTED = Table(
    name="rejected",
    grain="one row that could not be processed",
    key=("key", "stage"),
    schema=pa.schema(
        [
            column("key", TEXT, "key of the row, or its place in the source"),
            column("stage", TEXT, "stage that gave it up"),
            column("code", TEXT, "one word for the reason"),
            column("message", TEXT, "what was found and what was expected"),
        ]
    ),
)

SIGNALS = Table(
    name="signals",
    grain="one prompt and one score from inside the model",
    key=("model_id", "prompt_id", "method", "steps", "seeds"),
    schema=pa.schema(
        [
            MODEL_ID,
            PROMPT_ID,
            column("method", TEXT, "name of the score; the table of methods says what is suspect"),
            column("steps", pa.int32(), "evaluations of the network on the way", unit="1.."),
            column("seeds", pa.int32(), "noises that the mean is taken over", unit="1.."),
            column("value", pa.float64(), "the score as published; it chooses where to look"),
            column(
                "evaluations",
                pa.int32(),
                "network evaluations that the score rests on; a guided step is two",
            ),
        ]
    ),
    groups=("prompt_id",),
)

TABLES = (
    FILES,
    IMAGES,
    PROMPTS,
    TURNS,
    GENERATIONS,
    EMBEDDINGS,
    WORKS,
    NEIGHBORS,
    CLIQUES,
    MATCHES,
    SCORES,
    THRESHOLDS,
    FINDINGS,
    ARTISTS,
    TEXTS,
    TEXT_WORKS,
    OUTPUTS,
    RUNS,
    SPANS,
    CHANCES,
    REJECTED,
    SIGNALS,
)
