"""Works that the methods text cites, in BibTeX."""

from __future__ import annotations

from collections.abc import Iterable

BIBTEX = {
    "snakemake": """@article{molder2021snakemake,
  author = {M{\\"o}lder, Felix and others},
  title = {Sustainable data analysis with {S}nakemake},
  journal = {F1000Research}, volume = {10}, pages = {33}, year = {2021},
  doi = {10.12688/f1000research.29032.2}}""",
    "encodec": """@article{defossez2023encodec,
  author = {D{\\'e}fossez, Alexandre and Copet, Jade and Synnaeve, Gabriel and Adi, Yossi},
  title = {High Fidelity Neural Audio Compression},
  journal = {Transactions on Machine Learning Research}, year = {2023}}""",
    "sbert": """@inproceedings{reimers2019sbert,
  author = {Reimers, Nils and Gurevych, Iryna},
  title = {Sentence-{BERT}: Sentence Embeddings using {S}iamese {BERT}-Networks},
  booktitle = {EMNLP-IJCNLP}, year = {2019}, doi = {10.18653/v1/D19-1410}}""",
    "nilearn": """@article{abraham2014nilearn,
  author = {Abraham, Alexandre and others},
  title = {Machine learning for neuroimaging with scikit-learn},
  journal = {Frontiers in Neuroinformatics}, volume = {8}, pages = {14}, year = {2014},
  doi = {10.3389/fninf.2014.00014}}""",
    "isc": """@article{nastase2019isc,
  author = {Nastase, Samuel A. and Gazzola, Valeria and Hasson, Uri and Keysers, Christian},
  title = {Measuring shared responses across subjects using intersubject correlation},
  journal = {Social Cognitive and Affective Neuroscience}, volume = {14}, number = {6},
  pages = {667--685}, year = {2019}, doi = {10.1093/scan/nsz037}}""",
    "repeats": """@article{hasson2010reliability,
  author = {Hasson, Uri and Malach, Rafael and Heeger, David J.},
  title = {Reliability of cortical activity during natural stimulation},
  journal = {Trends in Cognitive Sciences}, volume = {14}, number = {1}, pages = {40--48},
  year = {2010}, doi = {10.1016/j.tics.2009.10.011}}""",
    "glover": """@article{glover1999hrf,
  author = {Glover, Gary H.},
  title = {Deconvolution of impulse response in event-related {BOLD} {fMRI}},
  journal = {NeuroImage}, volume = {9}, number = {4}, pages = {416--429}, year = {1999},
  doi = {10.1006/nimg.1998.0419}}""",
    "himalaya": """@article{dupre2022himalaya,
  author = {Dupr{\\'e} la Tour, Tom and Eickenberg, Michael and Nunez-Elizalde, Anwar O. and
            Gallant, Jack L.},
  title = {Feature-space selection with banded ridge regression},
  journal = {NeuroImage}, volume = {264}, pages = {119728}, year = {2022},
  doi = {10.1016/j.neuroimage.2022.119728}}""",
    "fdr": """@article{benjamini1995fdr,
  author = {Benjamini, Yoav and Hochberg, Yosef},
  title = {Controlling the false discovery rate: a practical and powerful approach to multiple
           testing},
  journal = {Journal of the Royal Statistical Society B}, volume = {57}, number = {1},
  pages = {289--300}, year = {1995}, doi = {10.1111/j.2517-6161.1995.tb02031.x}}""",
    "ssim": """@article{wang2004ssim,
  author = {Wang, Zhou and Bovik, Alan C. and Sheikh, Hamid R. and Simoncelli, Eero P.},
  title = {Image quality assessment: from error visibility to structural similarity},
  journal = {IEEE Transactions on Image Processing}, volume = {13}, number = {4},
  pages = {600--612}, year = {2004}, doi = {10.1109/TIP.2003.819861}}""",
    "stoi": """@article{taal2011stoi,
  author = {Taal, Cees H. and Hendriks, Richard C. and Heusdens, Richard and Jensen, Jesper},
  title = {An algorithm for intelligibility prediction of time-frequency weighted noisy speech},
  journal = {IEEE Transactions on Audio, Speech, and Language Processing}, volume = {19},
  number = {7}, pages = {2125--2136}, year = {2011}, doi = {10.1109/TASL.2011.2114881}}""",
    "estoi": """@article{jensen2016estoi,
  author = {Jensen, Jesper and Taal, Cees H.},
  title = {An algorithm for predicting the intelligibility of speech masked by modulated noise
           maskers},
  journal = {IEEE/ACM Transactions on Audio, Speech, and Language Processing}, volume = {24},
  number = {11}, pages = {2009--2022}, year = {2016}, doi = {10.1109/TASLP.2016.2585878}}""",
}


def bibliography(works: Iterable[str]) -> str:
    """BibTeX entries of the works named, in that order."""
    return "\n\n".join(BIBTEX[work] for work in works)
