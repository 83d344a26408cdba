"""Works that the methods text cites: how they stand in the text, and their BibTeX."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Work(NamedTuple):
    """A citable work: author and year as in the text, and its BibTeX entry."""

    label: str
    bibtex: str


WORKS = {
    "snakemake": Work(
        "Mölder et al., 2021",
        r"""@article{molder2021snakemake,
  author = {M{\"o}lder, Felix and Jablonski, Kim Philipp and Letcher, Brice and Hall, Michael B. and
            Tomkins-Tinch, Christopher H. and Sochat, Vanessa and Forster, Jan and Lee, Soohyun and
            Twardziok, Sven O. and Kanitz, Alexander and Wilm, Andreas and Holtgrewe, Manuel and
            Rahmann, Sven and Nahnsen, Sven and K{\"o}ster, Johannes},
  title = {Sustainable data analysis with {S}nakemake},
  journal = {F1000Research}, volume = {10}, pages = {33}, year = {2021},
  doi = {10.12688/f1000research.29032.2}}""",
    ),
    "encodec": Work(
        "Défossez et al., 2023",
        r"""@article{defossez2023encodec,
  author = {D{\'e}fossez, Alexandre and Copet, Jade and Synnaeve, Gabriel and Adi, Yossi},
  title = {High Fidelity Neural Audio Compression},
  journal = {Transactions on Machine Learning Research}, year = {2023},
  eprint = {2210.13438}, archiveprefix = {arXiv}}""",
    ),
    "sbert": Work(
        "Reimers & Gurevych, 2019",
        r"""@inproceedings{reimers2019sbert,
  author = {Reimers, Nils and Gurevych, Iryna},
  title = {Sentence-{BERT}: Sentence Embeddings using {S}iamese {BERT}-Networks},
  booktitle = {Proceedings of the 2019 Conference on Empirical Methods in Natural Language
               Processing and the 9th International Joint Conference on Natural Language
               Processing},
  pages = {3982--3992}, year = {2019}, doi = {10.18653/v1/D19-1410}}""",
    ),
    "minilm": Work(
        "Wang et al., 2020",
        r"""@inproceedings{wang2020minilm,
  author = {Wang, Wenhui and Wei, Furu and Dong, Li and Bao, Hangbo and Yang, Nan and Zhou, Ming},
  title = {{MiniLM}: Deep Self-Attention Distillation for Task-Agnostic Compression of
           Pre-Trained Transformers},
  booktitle = {Advances in Neural Information Processing Systems}, volume = {33},
  pages = {5776--5788}, year = {2020}, eprint = {2002.10957}, archiveprefix = {arXiv}}""",
    ),
    "nilearn": Work(
        "Abraham et al., 2014",
        r"""@article{abraham2014nilearn,
  author = {Abraham, Alexandre and Pedregosa, Fabian and Eickenberg, Michael and Gervais, Philippe
            and Mueller, Andreas and Kossaifi, Jean and Gramfort, Alexandre and Thirion, Bertrand
            and Varoquaux, Ga{\"e}l},
  title = {Machine learning for neuroimaging with scikit-learn},
  journal = {Frontiers in Neuroinformatics}, volume = {8}, pages = {14}, year = {2014},
  doi = {10.3389/fninf.2014.00014}}""",
    ),
    "filtering": Work(
        "Lindquist et al., 2019",
        r"""@article{lindquist2019modular,
  author = {Lindquist, Martin A. and Geuter, Stephan and Wager, Tor D. and Caffo, Brian S.},
  title = {Modular preprocessing pipelines can reintroduce artifacts into {fMRI} data},
  journal = {Human Brain Mapping}, volume = {40}, number = {8}, pages = {2358--2376},
  year = {2019}, doi = {10.1002/hbm.24528}}""",
    ),
    "isc": Work(
        "Nastase et al., 2019",
        r"""@article{nastase2019isc,
  author = {Nastase, Samuel A. and Gazzola, Valeria and Hasson, Uri and Keysers, Christian},
  title = {Measuring shared responses across subjects using intersubject correlation},
  journal = {Social Cognitive and Affective Neuroscience}, volume = {14}, number = {6},
  pages = {667--685}, year = {2019}, doi = {10.1093/scan/nsz037}}""",
    ),
    "repeats": Work(
        "Hasson et al., 2010",
        r"""@article{hasson2010reliability,
  author = {Hasson, Uri and Malach, Rafael and Heeger, David J.},
  title = {Reliability of cortical activity during natural stimulation},
  journal = {Trends in Cognitive Sciences}, volume = {14}, number = {1}, pages = {40--48},
  year = {2010}, doi = {10.1016/j.tics.2009.10.011}}""",
    ),
    "glover": Work(
        "Glover, 1999",
        r"""@article{glover1999hrf,
  author = {Glover, Gary H.},
  title = {Deconvolution of impulse response in event-related {BOLD} {fMRI}},
  journal = {NeuroImage}, volume = {9}, number = {4}, pages = {416--429}, year = {1999},
  doi = {10.1006/nimg.1998.0419}}""",
    ),
    "pytorch": Work(
        "Paszke et al., 2019",
        r"""@inproceedings{paszke2019pytorch,
  author = {Paszke, Adam and Gross, Sam and Massa, Francisco and Lerer, Adam and Bradbury, James and
            Chanan, Gregory and Killeen, Trevor and Lin, Zeming and Gimelshein, Natalia and
            Antiga, Luca and Desmaison, Alban and K{\"o}pf, Andreas and Yang, Edward and
            DeVito, Zachary and Raison, Martin and Tejani, Alykhan and Chilamkurthy, Sasank and
            Steiner, Benoit and Fang, Lu and Bai, Junjie and Chintala, Soumith},
  title = {{PyTorch}: An Imperative Style, High-Performance Deep Learning Library},
  booktitle = {Advances in Neural Information Processing Systems}, volume = {32},
  pages = {8024--8035}, year = {2019}, eprint = {1912.01703}, archiveprefix = {arXiv}}""",
    ),
    "adamw": Work(
        "Loshchilov & Hutter, 2019",
        r"""@inproceedings{loshchilov2019adamw,
  author = {Loshchilov, Ilya and Hutter, Frank},
  title = {Decoupled Weight Decay Regularization},
  booktitle = {International Conference on Learning Representations}, year = {2019},
  eprint = {1711.05101}, archiveprefix = {arXiv}}""",
    ),
    "himalaya": Work(
        "Dupré la Tour et al., 2022",
        r"""@article{dupre2022himalaya,
  author = {Dupr{\'e} la Tour, Tom and Eickenberg, Michael and Nunez-Elizalde, Anwar O. and
            Gallant, Jack L.},
  title = {Feature-space selection with banded ridge regression},
  journal = {NeuroImage}, volume = {264}, pages = {119728}, year = {2022},
  doi = {10.1016/j.neuroimage.2022.119728}}""",
    ),
    "partition": Work(
        "Lescroart et al., 2015",
        r"""@article{lescroart2015fourier,
  author = {Lescroart, Mark D. and Stansbury, Dustin E. and Gallant, Jack L.},
  title = {Fourier power, subjective distance, and object categories all provide plausible models
           of {BOLD} responses in scene-selective visual areas},
  journal = {Frontiers in Computational Neuroscience}, volume = {9}, pages = {135},
  year = {2015}, doi = {10.3389/fncom.2015.00135}}""",
    ),
    "blocks": Work(
        "Künsch, 1989",
        r"""@article{kunsch1989bootstrap,
  author = {K{\"u}nsch, Hans R.},
  title = {The Jackknife and the Bootstrap for General Stationary Observations},
  journal = {The Annals of Statistics}, volume = {17}, number = {3}, pages = {1217--1241},
  year = {1989}, doi = {10.1214/aos/1176347265}}""",
    ),
    "fdr": Work(
        "Benjamini & Hochberg, 1995",
        r"""@article{benjamini1995fdr,
  author = {Benjamini, Yoav and Hochberg, Yosef},
  title = {Controlling the false discovery rate: a practical and powerful approach to multiple
           testing},
  journal = {Journal of the Royal Statistical Society: Series B (Methodological)}, volume = {57},
  number = {1}, pages = {289--300}, year = {1995}, doi = {10.1111/j.2517-6161.1995.tb02031.x}}""",
    ),
    "families": Work(
        "Benjamini & Bogomolov, 2014",
        r"""@article{benjamini2014selective,
  author = {Benjamini, Yoav and Bogomolov, Marina},
  title = {Selective inference on multiple families of hypotheses},
  journal = {Journal of the Royal Statistical Society: Series B (Statistical Methodology)},
  volume = {76}, number = {1}, pages = {297--318}, year = {2014}, doi = {10.1111/rssb.12028}}""",
    ),
    "identification": Work(
        "Kay et al., 2008",
        r"""@article{kay2008identifying,
  author = {Kay, Kendrick N. and Naselaris, Thomas and Prenger, Ryan J. and Gallant, Jack L.},
  title = {Identifying natural images from human brain activity},
  journal = {Nature}, volume = {452}, number = {7185}, pages = {352--355}, year = {2008},
  doi = {10.1038/nature06713}}""",
    ),
    "ssim": Work(
        "Wang et al., 2004",
        r"""@article{wang2004ssim,
  author = {Wang, Zhou and Bovik, Alan C. and Sheikh, Hamid R. and Simoncelli, Eero P.},
  title = {Image quality assessment: from error visibility to structural similarity},
  journal = {IEEE Transactions on Image Processing}, volume = {13}, number = {4},
  pages = {600--612}, year = {2004}, doi = {10.1109/TIP.2003.819861}}""",
    ),
    "ms_ssim": Work(
        "Wang et al., 2003",
        r"""@inproceedings{wang2003msssim,
  author = {Wang, Zhou and Simoncelli, Eero P. and Bovik, Alan C.},
  title = {Multiscale structural similarity for image quality assessment},
  booktitle = {The Thirty-Seventh Asilomar Conference on Signals, Systems and Computers},
  volume = {2}, pages = {1398--1402}, year = {2003}, doi = {10.1109/ACSSC.2003.1292216}}""",
    ),
    "lpips": Work(
        "Zhang et al., 2018",
        r"""@inproceedings{zhang2018lpips,
  author = {Zhang, Richard and Isola, Phillip and Efros, Alexei A. and Shechtman, Eli and
            Wang, Oliver},
  title = {The Unreasonable Effectiveness of Deep Features as a Perceptual Metric},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  pages = {586--595}, year = {2018}, doi = {10.1109/CVPR.2018.00068}}""",
    ),
    "si_sdr": Work(
        "Le Roux et al., 2019",
        r"""@inproceedings{leroux2019sisdr,
  author = {Le Roux, Jonathan and Wisdom, Scott and Erdogan, Hakan and Hershey, John R.},
  title = {{SDR} -- Half-baked or Well Done?},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing},
  pages = {626--630}, year = {2019}, doi = {10.1109/ICASSP.2019.8683855}}""",
    ),
    "stoi": Work(
        "Taal et al., 2011",
        r"""@article{taal2011stoi,
  author = {Taal, Cees H. and Hendriks, Richard C. and Heusdens, Richard and Jensen, Jesper},
  title = {An algorithm for intelligibility prediction of time-frequency weighted noisy speech},
  journal = {IEEE Transactions on Audio, Speech, and Language Processing}, volume = {19},
  number = {7}, pages = {2125--2136}, year = {2011}, doi = {10.1109/TASL.2011.2114881}}""",
    ),
    "estoi": Work(
        "Jensen & Taal, 2016",
        r"""@article{jensen2016estoi,
  author = {Jensen, Jesper and Taal, Cees H.},
  title = {An algorithm for predicting the intelligibility of speech masked by modulated noise
           maskers},
  journal = {IEEE/ACM Transactions on Audio, Speech, and Language Processing}, volume = {24},
  number = {11}, pages = {2009--2022}, year = {2016}, doi = {10.1109/TASLP.2016.2585878}}""",
    ),
    "pesq": Work(
        "Rix et al., 2001",
        r"""@inproceedings{rix2001pesq,
  author = {Rix, Antony W. and Beerends, John G. and Hollier, Michael P. and Hekstra, Andries P.},
  title = {Perceptual evaluation of speech quality ({PESQ}) -- a new method for speech quality
           assessment of telephone networks and codecs},
  booktitle = {IEEE International Conference on Acoustics, Speech, and Signal Processing},
  volume = {2}, pages = {749--752}, year = {2001}, doi = {10.1109/ICASSP.2001.941023}}""",
    ),
}


def in_text(works: Iterable[str]) -> str:
    """Works in brackets, as they stand at the end of a sentence; empty without any."""
    labels = [WORKS[work].label for work in works]
    return f" ({'; '.join(labels)})" if labels else ""


def bibliography(works: Iterable[str]) -> str:
    """BibTeX entries of the works named, in that order."""
    return "\n\n".join(WORKS[work].bibtex for work in works)
