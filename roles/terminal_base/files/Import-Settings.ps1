# Hands whole files of settings to the tools of the platform that take them, a call a file. Run by win_powershell.
param(
    # [{"kind": "security", "content": "..."}, ...]: security is a template for secedit, audit a policy for auditpol,
    # registry a file for reg, applocker a list of what may run
    [Parameter(Mandatory)] [string] $Files,
    # services that read their settings only when they start: ["W32Time"]
    [string] $Restart = '[]'
)
$ErrorActionPreference = 'Stop'
foreach ($given in (ConvertFrom-Json $Files)) {
    $file = Join-Path ([IO.Path]::GetTempPath()) "renkei-$([guid]::NewGuid()).txt"
    $tool, $arguments, $encoding = switch ($given.kind) {
        'security' { 'secedit.exe', "/configure /db `"$file.sdb`" /cfg `"$file`" /areas SECURITYPOLICY USER_RIGHTS /quiet", 'Unicode' }
        'audit' { 'auditpol.exe', "/restore /file:`"$file`"", 'ASCII' }
        'registry' { 'reg.exe', "import `"$file`"", 'Unicode' }
        'applocker' { '', '', 'Unicode' }
        default { throw "there is no kind of file $_" }
    }
    try {
        [IO.File]::WriteAllText($file, $given.content, [Text.Encoding]::$encoding)
        if ($given.kind -eq 'applocker') {
            Set-AppLockerPolicy -XmlPolicy $file
            # a protected service: its start type is set by the registry file (listed-software), here it starts for today
            Start-Service -Name AppIDSvc -ErrorAction SilentlyContinue
            continue
        }
        $run = Start-Process $tool $arguments -NoNewWindow -Wait -PassThru
        # secedit says 3 where it did its work and has a remark in its log
        if ($run.ExitCode -notin 0, $(if ($given.kind -eq 'security') { 3 })) { throw "$tool ended with $($run.ExitCode)" }
    }
    finally { Remove-Item -Path "$file*" -ErrorAction SilentlyContinue }
}
foreach ($name in (ConvertFrom-Json $Restart)) {
    Set-Service -Name $name -StartupType Automatic
    Restart-Service -Name $name
}
