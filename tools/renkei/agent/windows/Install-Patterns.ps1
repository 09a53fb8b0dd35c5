# Installs a package of antivirus patterns (Defender's mpam-fe.exe) that needs no line.
#
#   powershell -NoProfile -ExecutionPolicy Bypass -File Install-Patterns.ps1 -Package C:\...\mpam-fe.exe
#
# Needs SYSTEM. The package is a program: it is started only with Microsoft's own signature, whatever its digest says.
# Ends with 0: done, 1: failed, as it says. What the machine has afterwards the antivirus says (Get-UpdateState.ps1).
param([Parameter(Mandatory)] [string] $Package)
$ErrorActionPreference = 'Stop'

function Exit-Failed([string] $What) {
    Write-Output $What
    exit 1
}

$signature = Get-AuthenticodeSignature -LiteralPath $Package
if ($signature.Status -ne 'Valid' -or $signature.SignerCertificate.Subject -notmatch '(^|, )O=Microsoft Corporation(,|$)') {
    Exit-Failed "the package isn't signed by Microsoft ($($signature.Status))"
}
$run = Start-Process -FilePath $Package -WindowStyle Hidden -PassThru
if (-not $run.WaitForExit(20 * 60 * 1000)) { Exit-Failed 'the package has not ended after 20 minutes' }
if ($run.ExitCode -ne 0) { Exit-Failed ('the package ended with 0x{0:X8}' -f $run.ExitCode) }
